// Bundles the JupyterLab extension and the views into one module, which jupyter-builder then packs.
import { build } from 'esbuild';
import { rm } from 'node:fs/promises';

// files have their contents' hashes as names: older ones would stay, and be shipped
await rm(new URL('../orch_nb/labextension', import.meta.url), { recursive: true, force: true });

await build({
  entryPoints: ['src/lab/index.ts'],
  outfile: 'lib/lab/index.js',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.css': 'text' },
  jsx: 'transform',
  jsxFactory: 'h',
  jsxFragment: 'Fragment',
  inject: ['src/jsx.ts'],
  // what JupyterLab itself has, and shares
  external: ['@jupyterlab/*', '@lumino/*', '@codemirror/state', '@codemirror/view'],
  legalComments: 'none',
  logLevel: 'warning',
});
