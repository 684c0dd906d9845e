// Builds tb_featuremap_plugin/static/: index.js, style.css and BUILD.json, which says from what and into what.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, version } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const out = join(root, "..", "tb_featuremap_plugin", "static");
const GZIP_LIMIT = 50_000;

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** One digest over every input: for each file, sorted by path, its path, a line feed, its text with LF line ends and a zero byte. */
function inputDigest() {
  const paths = [
    ...filesBelow(join(root, "src")),
    ...["package.json", "package-lock.json", "build.mjs", "tsconfig.json"].map((name) => join(root, name)),
  ];
  const entries = paths
    .map((path) => [relative(root, path).split(sep).join("/"), path])
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return sha256(
    entries.map(([name, path]) => `${name}\n${readFileSync(path, "utf8").replaceAll("\r\n", "\n")}\0`).join(""),
  );
}

function describe(name) {
  const bytes = readFileSync(join(out, name));
  return { sha256: sha256(bytes), bytes: bytes.length, gzip_bytes: gzipSync(bytes, { level: 9 }).length };
}

mkdirSync(out, { recursive: true });
await build({
  entryPoints: { index: join(root, "src/index.ts"), style: join(root, "src/style.css") },
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "eof",
  charset: "utf8",
  logLevel: "warning",
});
const outputs = Object.fromEntries(["index.js", "style.css"].map((name) => [name, describe(name)]));
const gzipBytes = Object.values(outputs).reduce((sum, output) => sum + output.gzip_bytes, 0);
writeFileSync(
  join(out, "BUILD.json"),
  `${JSON.stringify({ esbuild: version, inputs: inputDigest(), outputs, gzip_bytes: gzipBytes }, null, 2)}\n`,
);
console.log(`${gzipBytes} bytes gzipped of ${GZIP_LIMIT}`);
if (gzipBytes > GZIP_LIMIT) {
  console.error(`the bundle has ${gzipBytes} bytes gzipped; at most ${GZIP_LIMIT} are allowed`);
  process.exit(1);
}
