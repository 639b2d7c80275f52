import assert from 'node:assert/strict';
import test from 'node:test';

import { orderRows } from '../src/model/order';
import { makeScale, showTick } from '../src/model/scale';
import { isLive, lookOf } from '../src/model/states';
import { nameOf, noteOf, placeOf, showBytes, showClock, showDuration } from '../src/model/words';
import { aRow } from './samples';

const nothingDone = () => false;

test('durations as people read them', () => {
  const shown = [0, 8.14, 59.9, 59.96, 130, 3730].map(showDuration);
  assert.deepEqual(shown, ['0.0s', '8.1s', '59.9s', '0:59', '2:10', '1:02:10']);
  assert.deepEqual([0, 14.9, 3600].map(showClock), ['0:00', '0:14', '1:00:00']);
});

test('amounts of memory', () => {
  const shown = [512, 38_000_000, 1.24e9].map(showBytes);
  assert.deepEqual(shown, ['512 B', '38 MB', '1.2 GB']);
});

test('where a row is, with the line of its error', () => {
  const error = { name: 'KeyError', value: "'month'", line: 2 };
  assert.equal(placeOf(aRow(5, { error })), 'cell 5, line 2');
  assert.equal(placeOf(aRow(7, { name: 'cell-7' })), '');
});

test('a note says the error first, then the attempt', () => {
  const error = { name: 'KeyError', value: "'month'", line: 2 };
  const row = aRow(5, { state: 'Failed', error, attempt: 4, of: 4 });
  assert.equal(noteOf(row, nothingDone), "KeyError: 'month' · attempt 4 of 4");
});

test('a waiting row names only what is not there yet', () => {
  const row = aRow(6, {
    waits: [
      ['regions', 4],
      ['months', 5],
    ],
  });
  assert.equal(
    noteOf(row, (cell) => cell === 4),
    'waits for months (5)',
  );
});

test('a running row shows its progress and memory', () => {
  const row = aRow(4, { state: 'Running', percent: 62, progress: '5200/8400 rows', memory: 1.2e9 });
  assert.equal(noteOf(row, nothingDone), '62 % · 5200/8400 rows · 1.2 GB');
});

test('a cell that is called has one row, which counts its calls', () => {
  const all = aRow(4, { name: 'score', state: 'Running', calls: [231, 8, 158, 3, 0] });
  const call = aRow(4, {
    name: 'score',
    state: 'Completed',
    task: false,
    item: 7,
    start: 0,
    end: 9,
  });
  assert.deepEqual([all, call].map(nameOf), ['score ×400', 'score #7']);
  assert.equal(noteOf(all, nothingDone), '231 completed, 8 running, 158 waiting, 3 failed');
  assert.equal(noteOf(aRow(4, { state: 'Completed', calls: [3, 0, 0, 0, 0] }), nothingDone), '');
  const failed = { ...call, state: 'Failed' };
  assert.deepEqual(orderRows([all, call, failed], { all: false, filter: '' }, []), [2, 0]);
});

test('calls that failed alike are one row, which says how many there are', () => {
  const failed = (item: number, name: string) =>
    aRow(4, { task: false, state: 'Failed', item, error: { name, value: `${item}`, line: 2 } });
  const rows = [
    failed(1, 'ValueError'),
    failed(2, 'KeyError'),
    failed(3, 'ValueError'),
    failed(4, 'ValueError'),
  ];
  const alike: number[] = [];
  assert.deepEqual(orderRows(rows, { all: false, filter: '' }, alike), [0, 1]);
  assert.deepEqual(alike, [2, 0]);
  assert.equal(noteOf(failed(1, 'ValueError'), nothingDone, 2), '2 more alike · ValueError: 1');
  assert.equal(orderRows(rows, { all: true, filter: '' }, []).length, 4);
});

test('failures come first, cells that are no tasks on demand', () => {
  const rows = [
    aRow(1, { task: false }),
    aRow(2, { state: 'Completed' }),
    aRow(3, { state: 'Failed' }),
    aRow(4, { task: false, start: 0, end: 4, state: 'Completed' }),
  ];
  assert.deepEqual(orderRows(rows, { all: false, filter: '' }, []), [2, 1, 3]);
  assert.deepEqual(orderRows(rows, { all: true, filter: '' }, []), [2, 0, 1, 3]);
  assert.deepEqual(orderRows(rows, { all: true, filter: 'FAIL' }, []), [2]);
});

test('a live scale grows by whole steps and holds what it must', () => {
  for (const seconds of [0, 0.4, 3, 14, 61, 5000, 400_000, 9e6]) {
    const scale = makeScale(seconds, null, true);
    assert.ok(scale.seconds >= seconds);
    assert.ok(scale.ticks.length <= 7, `${scale.ticks.length} ticks for ${seconds}`);
    assert.ok(scale.ticks.every((tick) => tick < scale.seconds));
  }
  assert.equal(makeScale(3, 31, true).seconds, 40);
  assert.equal(makeScale(3.4, null, false).seconds, 3.4);
});

test('ticks in words', () => {
  const shown = [0.5, 1.5, 30, 90, 5400].map(showTick);
  assert.deepEqual(shown, ['0.5s', '1.5s', '30s', '1:30', '1:30h']);
});

test('a state of a newer Python is shown as unknown and waits', () => {
  assert.equal(lookOf('Levitating').word, 'Unknown');
  assert.ok(isLive('Levitating'));
  assert.equal(isLive('UpstreamFailed'), false);
});
