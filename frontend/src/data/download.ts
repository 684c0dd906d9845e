/** Hands a file to the person who looks. */

export function download(name: string, type: string, content: BlobPart): void {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: fileName(name) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A name that any file system takes. */
function fileName(name: string): string {
  return name.replace(/[^\p{L}\p{N}._-]+/gu, "_");
}
