// @vitest-environment happy-dom
import { h, isValidElement, render } from "preact";
import { expect, it } from "vitest";

/** What a logdir or an exported page could hold where a name is expected: elements written down as JSON (CVE-2026-22028). */
const ELEMENTS: readonly unknown[] = [
  h("img", { src: "x" }),
  { type: "img", props: { src: "x" }, key: null, ref: null, constructor: undefined },
  { type: "img", props: { src: "x" }, __v: 1, __k: null, __: null, __b: 0, __e: null, __c: null, __i: -1, __u: 0 },
  { type: "img", props: { dangerouslySetInnerHTML: { __html: "<img src=x>" } }, constructor: null },
  { type: "img", props: { src: "x" }, constructor: "pv", __proto__: null },
];

it.each(ELEMENTS.map((element, number) => [number, JSON.stringify(element)] as const))(
  "takes no JSON for an element (%i)",
  (_, json) => {
    const parsed = JSON.parse(json);
    const root = document.body.appendChild(document.createElement("div"));
    render(
      <p title={parsed}>
        {parsed}
        {[parsed]}
      </p>,
      root,
    );
    expect(isValidElement(parsed)).toBe(false);
    expect(root.querySelector("img")).toBeNull();
    expect(root.querySelectorAll("*").length).toBe(1);
  },
);
