// Bundles the views into one ES module for the panel; with --tests, the tests for node.
import { build } from 'esbuild';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { minify } from 'terser';

const MOST_BYTES = 60_000;
const PANEL = '../orch_nb/panel/built/views.js';

// in the panel nobody translates: the words alone are shorter than calls
function spoken(source) {
  return source.replace(
    /\btrans\.__\(\s*'([^'\\`]*)'\s*,?((?:\s*[\w.]+\s*,?)*)\)/g,
    (_, words, given) => {
      const parts = given.split(',').map((part) => part.trim());
      return '`' + words.replace(/%(\d)/g, (_, place) => '${' + parts[place - 1] + '}') + '`';
    },
  );
}

const options = {
  bundle: true,
  format: 'esm',
  target: 'es2022',
  loader: { '.css': 'text' },
  // calls of h() are shorter than what the automatic runtime makes, which tsconfig.json asks for
  tsconfigRaw: {
    compilerOptions: { jsx: 'react', jsxFactory: 'h', jsxFragmentFactory: 'Fragment' },
  },
  inject: ['src/jsx.ts'],
  logLevel: 'warning',
};

if (process.argv.includes('--tests')) {
  await build({
    ...options,
    entryPoints: ['tests/all.ts'],
    outfile: 'lib/tests.mjs',
    platform: 'node',
  });
} else {
  const css = await build({
    entryPoints: ['src/style.css'],
    minify: true,
    write: false,
    logLevel: 'warning',
  });
  // the values of custom properties are left as they are written
  const minified = css.outputFiles[0].text.replace(/(?<=[,:]) /g, '');
  const result = await build({
    ...options,
    entryPoints: ['src/panel.ts'],
    minify: true,
    write: false,
    legalComments: 'none',
    plugins: [
      {
        name: 'minified',
        setup(task) {
          task.onLoad({ filter: /style\.css$/ }, () => ({ contents: minified, loader: 'text' }));
          task.onLoad({ filter: /src\/(views|model)\/.*\.tsx?$/ }, async ({ path }) => ({
            contents: spoken(await readFile(path, 'utf8')),
            loader: path.endsWith('x') ? 'tsx' : 'ts',
          }));
        },
      },
    ],
  });
  const squeezed = await minify(result.outputFiles[0].text, {
    module: true,
    ecma: 2020,
    compress: { passes: 3, unsafe: true, unsafe_arrows: true, pure_getters: true },
  });
  // nobody but the module itself names its custom properties
  const code = Buffer.from(squeezed.code.replaceAll('--onb-', '--o-'));
  if (code.length > MOST_BYTES) {
    throw new Error(`the views have ${code.length} bytes; at most ${MOST_BYTES} are allowed`);
  }
  await mkdir(new URL('../orch_nb/panel/built/', import.meta.url), { recursive: true });
  await writeFile(new URL(PANEL, import.meta.url), code);
  const notices = await Promise.all(
    ['preact', '@preact/signals', '@preact/signals-core'].map(
      async (name) => `${name}\n\n${await readFile(`node_modules/${name}/LICENSE`, 'utf8')}`,
    ),
  );
  const licenses = new URL('../orch_nb/panel/built/LICENSES.txt', import.meta.url);
  await writeFile(licenses, notices.join('\n'));
  console.log(`views.js: ${code.length} bytes, ${gzipSync(code).length} compressed`);
}
