/** Parts of the dashboard whose code is loaded when they are first shown. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LOADING, type Resource, ready } from "../resource";
import { Failure, Loading } from "./States";

type Parts = typeof import("../late");

const parts = signal<Resource<Parts>>(LOADING);

async function load(): Promise<void> {
  try {
    parts.value = ready(await import("../late"));
  } catch {
    parts.value = { status: "failed", value: null, message: "A part of the page could not be loaded; reload it" };
  }
}

/** `what` names the part while it is on its way; without it there is nothing to see. */
export function Late({ name, what }: { name: keyof Parts; what?: string }) {
  const { value, status, message } = parts.value;
  useEffect(() => {
    if (!value) void load();
  }, []);
  if (status === "failed") return <Failure message={message} />;
  if (!value) return what ? <Loading what={what} /> : null;
  const Part = value[name];
  return <Part />;
}
