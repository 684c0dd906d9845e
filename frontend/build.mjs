// Builds tb_featuremap_plugin/static/: scripts, style.css and BUILD.json, which says from what and into what.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, version } from "esbuild";
import { minify } from "terser";

const root = dirname(fileURLToPath(import.meta.url));
const out = join(root, "..", "tb_featuremap_plugin", "static");
/**
 * Bytes gzipped. index.js is what must arrive before anything is seen. late.js holds the channel's page and the weight changes, and comes
 * when they are first shown. uplot.js comes with the first chart.
 */
const GZIP_LIMITS = {
  "index.js": 50_000,
  "late.js": 18_000,
  "style.css": 8_000,
  "uplot.js": 25_000,
};
const SCRIPTS = Object.keys(GZIP_LIMITS).filter((name) => name.endsWith(".js"));

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

/** Scripts that are built for themselves stay files of their own. */
const keptApart = (pattern) => ({
  name: "kept-apart",
  setup: ({ onResolve }) => onResolve({ filter: pattern }, ({ path }) => ({ path, external: true })),
});

mkdirSync(out, { recursive: true });
const options = {
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
};

/** index, late, and shared: what those two have in common. */
async function splitBundle() {
  const { outputFiles } = await build({
    ...options,
    entryPoints: {
      index: join(root, "src/main.ts"),
      late: join(root, "src/lazy.ts"),
      style: join(root, "src/style.css"),
    },
    splitting: true,
    chunkNames: "shared",
    plugins: [keptApart(/^\.\/uplot\.js$/)],
    write: false,
  });
  return new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
}

/** Joins shared to index: two scripts that load one after the other would hold up the first view. late finds what it shares in index. */
async function joinShared(texts) {
  const inMemory = {
    name: "in-memory",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /^\.\/(index|shared)\.js$/ }, ({ path }) => ({ path, namespace: "memory" }));
      onLoad({ filter: /.*/, namespace: "memory" }, ({ path }) => ({ contents: texts.get(basename(path)) }));
    },
  };
  await build({
    ...options,
    stdin: {
      contents: 'export * from "./shared.js"; export * from "./index.js";',
      sourcefile: "index.js",
      resolveDir: root,
    },
    entryNames: "index",
    plugins: [inMemory, keptApart(/^\.\/(late|uplot)\.js$/)],
  });
  writeFileSync(join(out, "late.js"), texts.get("late.js").replaceAll('"./shared.js"', '"./index.js"'));
  writeFileSync(join(out, "style.css"), texts.get("style.css"));
}

await joinShared(await splitBundle());
await build({ ...options, entryPoints: { uplot: join(root, "src/charts/uplot.ts") } });
/** esbuild bundles; terser, which folds more, takes another 4 % off. Comments with licences stay. */
for (const name of SCRIPTS) {
  const compress = { passes: 3, ecma: 2020, unsafe_arrows: true, unsafe_methods: true, pure_getters: true };
  const { code } = await minify(readFileSync(join(out, name), "utf8"), {
    module: true,
    compress,
    format: { comments: "some" },
  });
  writeFileSync(join(out, name), `${code}\n`);
}
const outputs = Object.fromEntries(Object.keys(GZIP_LIMITS).map((name) => [name, describe(name)]));
writeFileSync(
  join(out, "BUILD.json"),
  `${JSON.stringify({ esbuild: version, inputs: inputDigest(), outputs }, null, 2)}\n`,
);
for (const [name, { gzip_bytes: bytes }] of Object.entries(outputs)) {
  console.log(`${name}: ${bytes} bytes gzipped of ${GZIP_LIMITS[name]}`);
  if (bytes > GZIP_LIMITS[name]) process.exitCode = 1;
}
if (process.exitCode) console.error("the bundle is larger than its limits");
