// Downloads, insertion at the cursor, and a watch on the connection to the kernel.
const PING = 2000;
const PATIENCE = 10000;
const SETTLED = 150; // milliseconds in which one step has closed and the next has opened
const LOST =
  "This page has had no answer for a while: the connection to the program behind it is lost, or it is busy with " +
  "another cell. That is no failed send: what went is written down. Open the page again to see where it stands.";

function render({ model, el }) {
  const notice = document.createElement("p");
  notice.className = "gcb-notice gcb-error gcb-lost";
  notice.setAttribute("role", "alert");
  notice.hidden = true;
  el.append(notice);
  const form = () => el.closest(".gcb-form") ?? document;

  let heard = Date.now();
  const ask = () => {
    notice.hidden = Date.now() - heard < PATIENCE;
    notice.textContent = notice.hidden ? "" : LOST;
    try {
      model.send({ ping: Date.now() });
    } catch {
      notice.hidden = false;
      notice.textContent = LOST;
    }
  };
  const timer = setInterval(ask, PING);

  let saving = [];
  const save = (content, piece) => {
    saving[content.number] = piece;
    if (content.number + 1 < content.pieces) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(saving, { type: "application/octet-stream" }));
    link.download = content.save;
    saving = [];
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  // A field goes where the cursor was last, among the boxes that can hold one; at first into the first of them.
  const WRITABLE = ".gcb-writable :is(textarea, input)";
  let written = null;
  const insert = (event) => {
    const field = event.target.closest?.(".gcb-field");
    const area = written?.isConnected ? written : form().querySelector(WRITABLE);
    if (!field || !area) return;
    const words = field.title.replace(/^Insert /, "");
    area.setRangeText(words, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
    area.dispatchEvent(new Event("change", { bubbles: true }));
    area.focus();
  };
  // A time of which a part is missing has no value, for the program as if nothing stood there: it is told.
  let unfinished = false;
  const look = (event) => {
    const time = event.target.closest?.(".gcb-send-at input");
    if (!time || time.validity.badInput === unfinished) return;
    unfinished = time.validity.badInput;
    model.send({ unfinished });
  };
  const hear = (content, buffers) => {
    heard = Date.now();
    if ("save" in content) save(content, buffers[0]);
  };
  model.on("msg:custom", hear);

  // What changes by itself is read out: each such widget says so once it is in the page.
  const announce = () => {
    for (const part of form().querySelectorAll(".gcb-live:not([role])")) part.setAttribute("role", "status");
  };
  // Where the step that had the focus closes, the keyboard goes on at the heading of the one that has opened: at no
  // button, so that whoever presses Enter twice on Send does not press Stop.
  let last = null;
  const remember = (event) => {
    last = event.target;
    if (last.matches(WRITABLE)) written = last;
  };
  const keepPlace = () => {
    const lost = last && !last.checkVisibility() && [document.body, last].includes(document.activeElement);
    if (!lost) return;
    const open = [...form().querySelectorAll(".gcb-step:not(.gcb-closed) .gcb-heading")];
    const next = open.find((one) => last.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) ?? open[0];
    if (!next) return;
    next.tabIndex = -1;
    next.focus({ preventScroll: true });
  };
  const observer = new MutationObserver(() => {
    announce();
    setTimeout(keepPlace, SETTLED);
  });
  requestAnimationFrame(() => {
    form().addEventListener("click", insert);
    form().addEventListener("focusin", remember);
    for (const moment of ["input", "change", "keyup", "focusout"]) form().addEventListener(moment, look);
    observer.observe(form(), { childList: true, subtree: true, attributeFilter: ["style", "class"] });
    announce();
  });
  model.send({ opened: true });
  return () => {
    clearInterval(timer);
    observer.disconnect();
    form().removeEventListener("click", insert);
    form().removeEventListener("focusin", remember);
    for (const moment of ["input", "change", "keyup", "focusout"]) form().removeEventListener(moment, look);
    model.off("msg:custom", hear);
  };
}

export default { render };
