// A password field that hands its content over when it is left, and forgets it.
function render({ model, el }) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  input.type = "password";
  input.autocomplete = "off";
  input.id = `gcb-key-${Math.random().toString(36).slice(2)}`;
  label.htmlFor = input.id;
  el.append(label, input);
  const show = () => {
    label.textContent = model.get("label");
    input.disabled = model.get("disabled");
  };
  show();
  model.on("change:label change:disabled", show);
  input.addEventListener("change", () => {
    const key = input.value.trim();
    input.value = "";
    input.placeholder = key ? "taken; type again to change it" : "";
    if (key) model.send({ key });
  });
}

export default { render };
