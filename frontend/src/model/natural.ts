/** Order in which people count: conv2 before conv10. */
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export function naturalCompare(a: string, b: string): number {
  return collator.compare(a, b) || (a < b ? -1 : a > b ? 1 : 0);
}

/** A filter by regular expression. While `pattern` is no valid one, the last valid one holds. */
export class RegexFilter {
  #last = /(?:)/;
  valid = true;

  set(pattern: string): this {
    try {
      this.#last = new RegExp(pattern, "i");
      this.valid = true;
    } catch {
      this.valid = false;
    }
    return this;
  }

  accepts(name: string): boolean {
    return this.#last.test(name);
  }
}
