// The watcher's measurements, one line for each look at a page. As a program it prints them as a table, and fails if a
// first paint takes too long: `node figures.js FILE`.

import { appendFileSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PAINT_MS = 100;
const LOADS = 3;
// While the machine is slow, the limit is a multiple of the paint of the smallest page. On an idle machine, that is less
// than 100 ms.
const LEAST_PAGE = 'Sign in';
const TIMES_THE_LEAST = 3;

/** Writes down one look at a page. */
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

/** The limit for the best of `looks` looks at a page. There are far more looks at the smallest page, so its best look of
 * all would be too lucky: the worst of the best looks in each sequence of the same length counts. */
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
    // The best look counts, because the machine is shared and the answer to a form cannot be loaded again.
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
