// npm ci && npm run build → ../vendor.min.js and its licences.
//
// package-lock.json pins every package by its hash, and the same versions give the same bytes.

import { build } from "esbuild";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const assets = new URL("../", import.meta.url).pathname;

const result = await build({
  entryPoints: ["vendor.js"],
  outfile: `${assets}vendor.min.js`,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "vendor",
  target: "es2021",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
});

const inside = Object.values(result.metafile.outputs).flatMap((output) =>
  Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => path));
const folders = new Set(inside.flatMap((path) => path.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []));

const texts = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file && existsSync(`${folder}/${file}`) ? readFileSync(`${folder}/${file}`, "utf8").trim() : "(see its package.json)";
  return `${name} ${version} (${license})\n\n${text}\n`;
});
const head = "vendor.min.js is built from these packages. See itae_cluster/preview/assets/build/build.mjs.\n";
writeFileSync(`${assets}vendor.LICENSES.txt`, [head, ...texts].join(`\n${"-".repeat(78)}\n\n`).replaceAll("\r", ""));
