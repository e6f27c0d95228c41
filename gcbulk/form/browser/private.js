// A field whose content is handed over as it is typed or left, and is never the widget's state.
const WAYS = {
  password: { when: "change", forget: true }, // once it is left, and then it is out of the page too
  tel: { when: "input", forget: false },
  email: { when: "input", forget: false },
  search: { when: "input", forget: false },
};

function render({ model, el }) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const { when, forget } = WAYS[model.get("kind")];
  input.type = model.get("kind");
  input.autocomplete = "off";
  input.id = `gcb-private-${Math.random().toString(36).slice(2)}`;
  label.htmlFor = input.id;
  el.append(label, input);
  const show = () => {
    label.textContent = model.get("label");
    input.disabled = model.get("disabled");
    input.placeholder = model.get("hint");
  };
  show();
  model.on("change:label change:disabled change:hint", show);
  input.addEventListener(when, () => {
    const entered = input.value.trim();
    if (forget) {
      input.value = "";
      input.placeholder = entered ? "taken; type again to change it" : "";
      if (!entered) return;
    }
    model.send({ entered });
  });
  const hear = (content) => {
    if ("empty" in content) input.value = "";
  };
  model.on("msg:custom", hear);
  return () => model.off("msg:custom", hear);
}

export default { render };
