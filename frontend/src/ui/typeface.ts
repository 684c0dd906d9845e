/** TensorBoard brings its typeface along as rules of its page: where we may read them, ours are the same, so that the tab is set in it too. */
export function adoptTypeface(): void {
  try {
    // Only the sheets that name fonts are looked into: to read all rules of TensorBoard's page takes longer than to draw ours.
    const sheets = [...window.parent.document.styleSheets].filter((sheet) =>
      sheet.ownerNode?.textContent?.includes("@font-face"),
    );
    const style = document.createElement("style");
    style.textContent = sheets.flatMap((sheet) => [...sheet.cssRules].filter(namesRoboto).map(textOf)).join("\n");
    document.head.append(style);
  } catch {
    // A page that may not look at its parent has the system's face.
  }
}

/** By its type, which holds for rules of another window too. */
function namesRoboto(rule: CSSRule): boolean {
  return rule.type === CSSRule.FONT_FACE_RULE && rule.cssText.includes("Roboto");
}

/** Until the typeface has come, the system's stays. */
function textOf(rule: CSSRule): string {
  return rule.cssText.replace(/}$/, "font-display: swap; }");
}
