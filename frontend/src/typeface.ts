/** TensorBoard brings its typeface along as rules of its page: where we may read them, ours are the same, so that the tab is set in it too. */
export function adoptTypeface(): void {
  try {
    const sheets = [...window.parent.document.styleSheets].filter(({ href }) => !href);
    const rules = sheets.flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText));
    const style = document.createElement("style");
    style.textContent = rules.filter((text) => /^@font-face.*Roboto/.test(text)).join("\n");
    document.head.append(style);
  } catch {
    // A page that may not look at its parent has the system's face.
  }
}
