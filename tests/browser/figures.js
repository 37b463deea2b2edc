// What the watcher measures is written down here, one line a look; run as a program, this prints the table and holds
// the first paint: `node figures.js FILE`.

import { appendFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAINT_MS = 100;
const LOADS = 3;
// On a machine that is slow at the time, what counts is how much longer than the least page's a paint takes: 100 ms are
// less than this many times that page's, where nothing else runs.
const LEAST_PAGE = 'Sign in';
const TIMES_THE_LEAST = 3;

/** Notes one look at a page. */
export function note(figures) {
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${JSON.stringify(figures)}\n`);
}

const best = (paints) => Math.round(Math.min(...paints));

function read(file) {
  const pages = new Map();
  for (const line of readFileSync(file, 'utf8').trim().split('\n').filter(Boolean)) {
    const { page, paint, bytes } = JSON.parse(line);
    const known = pages.get(page) ?? { paints: [], bytes: 0 };
    known.paints.push(paint);
    known.bytes = Math.max(known.bytes, bytes);
    pages.set(page, known);
  }
  return pages;
}

/** What the best of so many looks at a page may take. The least page is looked at far more often than others, so it is
 * given no more luck than they have: of all its looks in their order, as many at a time, the worst best counts. */
export function limit(least, looks) {
  if (least.length === 0) return PAINT_MS;
  const times = Math.max(1, least.length - looks + 1);
  const bests = Array.from({ length: times }, (_, first) => best(least.slice(first, first + looks)));
  return Math.max(PAINT_MS, TIMES_THE_LEAST * Math.max(...bests));
}

function table(pages) {
  const least = pages.get(LEAST_PAGE)?.paints ?? [];
  return [...pages].map(([page, { paints, bytes }]) => ({
    page,
    // The machine is shared, and what a form answers cannot be loaded again: the best look counts.
    'first paint, ms': best(paints),
    [`of the first ${LOADS}`]: best(paints.slice(0, LOADS)),
    looks: paints.length,
    limit: limit(least, paints.length),
    bytes,
  }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = table(read(process.argv[2]));
  console.table(rows);
  const slow = rows.filter((row) => row['first paint, ms'] >= row.limit);
  for (const { page, limit } of slow) console.error(`${page}: the first paint takes ${limit} ms or more`);
  process.exitCode = slow.length > 0 ? 1 : 0;
}
