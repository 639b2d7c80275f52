import assert from 'node:assert/strict';
import test from 'node:test';

import { addressOf } from '../src/around';

test('a file stays a file, whatever it is called', () => {
  const page = 'http://localhost:8888/notebooks/reports/sales.ipynb?token=1';
  const folder = 'http://localhost:8888/notebooks/reports/';
  for (const [path, address] of [
    ['sales.run.ipynb', 'sales.run.ipynb'],
    ['out/é 1.ipynb', 'out/%C3%A9%201.ipynb'],
    ['a #1?.ipynb', 'a%20%231%3F.ipynb'],
    ['javascript:alert(1).ipynb', 'javascript%3Aalert(1).ipynb'],
  ] as const)
    assert.equal(addressOf(path, page).href, folder + address);
});
