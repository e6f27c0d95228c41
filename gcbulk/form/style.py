"""One look for the whole form: its spacing, its type, its few colours."""

from __future__ import annotations

from typing import Final

STYLE: Final = """<style>
.gcb-form { --gcb-ink: #1d2733; --gcb-soft: #5b6672; --gcb-line: #d5dbe1; --gcb-main: #14507a; --gcb-paper: #fff;
  --gcb-tint: #f3f6f9; --gcb-bad: #9b2c17; box-sizing: border-box; max-width: 960px; margin: 0 auto;
  padding: 8px 16px 32px; color: var(--gcb-ink); background: var(--gcb-paper); overflow: visible;
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
.gcb-form .widget-html, .gcb-form .jupyter-widgets, .gcb-form .widget-html-content, .gcb-form button {
  font-family: inherit; font-size: 15px; line-height: 1.5; }
.gcb-form .widget-html-content { height: auto; color: var(--gcb-ink); }
.gcb-form p { margin: 0; }
.gcb-form h1 { font-size: 24px; margin: 8px 0 4px; font-weight: 600; }
.gcb-form h2 { font-size: 18px; margin: 0; font-weight: 600; color: var(--gcb-ink); }
.gcb-form h3 { font-size: 15px; margin: 4px 0 8px; font-weight: 600; }
.gcb-form .widget-box, .gcb-form .widget-vbox, .gcb-form .widget-hbox { overflow: visible; }
.gcb-form .gcb-step { border: 1px solid var(--gcb-line); border-radius: 8px; padding: 16px 20px; margin: 8px 0;
  background: var(--gcb-paper); }
.gcb-form .gcb-closed { background: var(--gcb-tint); padding: 10px 20px; }
.gcb-form .gcb-closed h2 { color: var(--gcb-soft); font-weight: 500; }
.gcb-form .gcb-intro { color: var(--gcb-soft); margin-bottom: 8px; }
.gcb-form .gcb-step > * { margin-left: 0; }
.gcb-form .gcb-international { align-self: flex-end; padding-bottom: 5px; }
.gcb-form .gcb-body > * { margin: 5px 0; width: 100%; box-sizing: border-box; }
.gcb-form .gcb-body > .gcb-button { width: auto; align-self: flex-start; }
.gcb-form .gcb-row { flex-flow: row wrap; gap: 8px 16px; align-items: center; }
.gcb-form .gcb-row > * { margin: 0; width: auto; max-width: 100%; }
.gcb-form .gcb-button, .gcb-form button.gcb-button { width: auto; height: auto; min-height: 34px; padding: 4px 14px;
  border: 1px solid #9aa7b3; border-radius: 6px; background: var(--gcb-paper); color: var(--gcb-ink);
  box-shadow: none; cursor: pointer; white-space: normal; overflow: visible; text-overflow: clip; }
.gcb-form .gcb-button:hover:enabled { background: var(--gcb-tint); }
.gcb-form .gcb-main { background: var(--gcb-main); border-color: var(--gcb-main); color: #fff; font-weight: 600; }
.gcb-form .gcb-main:hover:enabled { background: #0f3f61; }
.gcb-form .gcb-button:disabled { opacity: .5; cursor: not-allowed; }
.gcb-form .gcb-stop:enabled { border-color: var(--gcb-bad); color: var(--gcb-bad); font-weight: 600; }
.gcb-form .gcb-field { min-height: 26px; padding: 0 9px; font-size: 13px; background: var(--gcb-tint); }
.gcb-form .gcb-fields { gap: 6px; }
.gcb-form button:focus-visible, .gcb-form input:focus-visible, .gcb-form select:focus-visible,
.gcb-form textarea:focus-visible, .gcb-form .gcb-heading:focus-visible { outline: 3px solid #f0b429;
  outline-offset: 1px; }
.gcb-form .gcb-labelled { display: flex; flex-direction: column; align-items: stretch; height: auto; width: 270px; }
.gcb-form .gcb-labelled > label { width: auto; text-align: left; font-size: 14px;
  font-weight: 600; line-height: 1.6; height: auto; color: var(--gcb-ink); display: block; }
.gcb-form .gcb-labelled input, .gcb-form .gcb-labelled select { height: 34px; width: 100%;
  border: 1px solid #9aa7b3; border-radius: 6px; padding: 0 10px; box-sizing: border-box; background-color: #fff;
  font: inherit; font-size: 15px; color: var(--gcb-ink); flex: none; }
.gcb-form .gcb-message, .gcb-form .gcb-letter, .gcb-form .gcb-subject { width: 100%; }
.gcb-form .gcb-message textarea, .gcb-form .gcb-letter textarea { width: 100%; min-height: 112px;
  border: 1px solid #9aa7b3; border-radius: 6px;
  padding: 8px 10px; font: inherit; font-size: 15px; line-height: 1.5; box-sizing: border-box; color: var(--gcb-ink); }
.gcb-form .gcb-entry { width: calc(50% - 8px); min-width: 270px; }
.gcb-form .gcb-entry > .gcb-labelled { width: 100%; }
.gcb-form .gcb-entry > * { margin: 0; }
.gcb-form .gcb-entry > .gcb-notice { width: auto; margin-top: 4px; }
.gcb-form .gcb-row:has(> .gcb-entry) { align-items: flex-start; }
.gcb-form .gcb-low { align-items: flex-end; }
.gcb-form .gcb-campaigns { width: 460px; }
.gcb-form .widget-checkbox { width: auto; height: auto; }
.gcb-form .widget-checkbox label { display: flex; align-items: center; font-size: 15px; white-space: normal;
  cursor: pointer; }
.gcb-form .widget-checkbox input[type=checkbox] { width: 18px; height: 18px; margin-right: 8px; flex: none; }
.gcb-form .gcb-upload, .gcb-form .gcb-optouts { display: flex; align-items: center; gap: 12px;
  width: fit-content; cursor: pointer; }
.gcb-form .gcb-upload-words { color: var(--gcb-bad); }
.gcb-form .gcb-file-name, .gcb-form .gcb-parts, .gcb-form .gcb-ready, .gcb-form .gcb-who,
.gcb-form .gcb-table-where { color: var(--gcb-soft); }
.gcb-form .gcb-error { border-left: 4px solid var(--gcb-bad); background: #fcf1ee; padding: 8px 12px; }
.gcb-form .gcb-good { border-left: 4px solid #22693f; background: #eef6f1; padding: 8px 12px; }
.gcb-form .gcb-hint { border-left: 4px solid #c98a00; background: #fdf7e8; padding: 8px 12px; }
.gcb-form .gcb-tiles { list-style: none; display: flex; flex-wrap: wrap; gap: 8px; margin: 4px 0; padding: 0; }
.gcb-form .gcb-tiles li { background: var(--gcb-tint); border-radius: 6px; padding: 6px 14px; margin: 0; }
.gcb-form .gcb-tiles b { font-size: 19px; display: block; line-height: 1.3; }
.gcb-form .gcb-scroll, .gcb-form .gcb-scroll > .widget-html-content { overflow-x: auto; max-width: 100%; }
.gcb-form .gcb-scroll > .widget-html-content { width: 100%; }
.gcb-form table.gcb-table, .gcb-form .gcb-plan table { border-collapse: collapse; width: 100%; margin: 4px 0 8px;
  font-size: 13.5px; line-height: 1.45; table-layout: auto; border: 0; }
.gcb-form table th { text-align: left; font-weight: 600; border: 0; border-bottom: 2px solid var(--gcb-line);
  padding: 5px 10px 5px 0; vertical-align: bottom; background: transparent; }
.gcb-form table td { text-align: left; border: 0; border-bottom: 1px solid var(--gcb-line); padding: 5px 10px 5px 0;
  vertical-align: top; overflow-wrap: break-word; max-width: 22em; background: transparent; white-space: normal; }
.gcb-form table.dataframe td:last-child, .gcb-form .gcb-reasons td:nth-child(4) { min-width: 15em; }
.gcb-form table.dataframe td:nth-last-child(2) { white-space: nowrap; }
.gcb-form .gcb-reasons td:last-child { color: var(--gcb-soft); font-size: 11px; }
.gcb-form .gcb-bubble { background: #e8f1f8; border-radius: 12px; padding: 10px 14px; margin: 4px 0; max-width: 36em;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.gcb-form iframe { height: 15em !important; }
.gcb-form .gcb-attach { display: flex; align-items: center; gap: 12px; width: fit-content; cursor: pointer; }
.gcb-form .gcb-attached, .gcb-form .gcb-attach-where { color: var(--gcb-soft); }
.gcb-form .gcb-left-out { background: #fdf7e8; }
.gcb-form .gcb-sentence p { font-size: 17px; font-weight: 600; }
.gcb-form .gcb-sentence i { font-weight: 400; }
.gcb-form .gcb-plan ul { list-style: none; margin: 8px 0; padding: 0; }
.gcb-form .gcb-plan > p:first-child { display: none; }
.gcb-form .gcb-findings ul { margin: 0; padding: 0; }
.gcb-form .gcb-findings li, .gcb-form .gcb-plan li { background: var(--gcb-tint);
  border-radius: 8px; padding: 8px 12px; margin: 6px 0; }
.gcb-form progress { width: 100%; height: 16px; accent-color: var(--gcb-main); }
.gcb-form .gcb-word { display: inline-block; border-radius: 4px; padding: 0 8px; margin-right: 4px; color: #fff;
  background: var(--gcb-main); }
.gcb-form .gcb-word-done { background: #22693f; }
.gcb-form .gcb-word-stopped { background: #8a5a00; }
.gcb-form .gcb-word-failed { background: var(--gcb-bad); }
.gcb-form .gcb-chart { max-width: 720px; width: 100%; height: auto; display: block; margin: 8px 0; }
.gcb-form .gcb-sum { font-weight: 600; }
</style>"""
