// A file button: the file goes to the kernel in pieces, each asked for by the answer to the one before.
const PATIENCE = 30000; // milliseconds without an answer after which the upload counts as broken

function render({ model, el }) {
  const button = document.createElement("button");
  const input = document.createElement("input");
  const words = document.createElement("span");
  button.type = "button";
  button.className = "gcb-button";
  input.type = "file";
  input.hidden = true;
  words.className = "gcb-upload-words";
  words.setAttribute("role", "status");
  el.append(button, input, words);

  const show = () => {
    button.textContent = model.get("label");
    input.accept = model.get("accept");
    button.disabled = model.get("disabled");
  };
  show();
  model.on("change:label change:accept change:disabled", show);
  // the words beside the button are a part of it: a click anywhere here asks for a file
  el.addEventListener("click", (event) => {
    if (event.target === input || button.disabled) return;
    input.value = ""; // so that the same file can be chosen again
    input.click();
  });

  let upload = null;
  const sendPiece = async (number) => {
    const { id, file, pieces } = upload;
    const size = model.get("piece");
    const content = await file.slice(number * size, (number + 1) * size).arrayBuffer().catch(() => null);
    if (!upload || upload.id !== id) return;
    if (content === null) return fail(`${file.name} cannot be read. Is it open in another program? Choose it again.`);
    words.textContent = pieces > 1 ? `Uploading: ${Math.round((100 * number) / pieces)} %` : "";
    clearTimeout(upload.timer);
    upload.timer = setTimeout(() => fail(`The upload of ${file.name} broke off. Choose it again.`), PATIENCE);
    try {
      model.send({ upload: id, name: file.name, size: file.size, number, pieces }, undefined, [content]);
    } catch {
      fail(`The upload of ${file.name} broke off. Open the page again.`);
    }
  };
  const fail = (sentence) => {
    clearTimeout(upload?.timer);
    upload = null;
    words.textContent = sentence;
  };
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (!file) return;
    clearTimeout(upload?.timer);
    upload = { id: `${Date.now()}-${Math.random()}`, file, pieces: Math.max(1, Math.ceil(file.size / model.get("piece"))) };
    sendPiece(0);
  });
  const answered = (content) => {
    if (!upload || content.upload !== upload.id) return;
    if (content.taken + 1 < upload.pieces) return sendPiece(content.taken + 1);
    clearTimeout(upload.timer);
    upload = null;
    words.textContent = "";
  };
  model.on("msg:custom", answered);
  return () => model.off("msg:custom", answered);
}

export default { render };
