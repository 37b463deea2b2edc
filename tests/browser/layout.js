// How a page is laid out: what is wrong with it at the width that the window has. Runs in the page, scripts or not.

/** One line for each fault: text that is broken or cut, controls that overlap or are too small to touch. */
export const layoutFaults = (page) => page.evaluate(faults, LEAST);

const LEAST = {
  // A column may break a word only if it is this wide: no word of English is wider, only addresses and ids are.
  columnEm: 9,
  // Buttons and fields are as tall as the width of a finger; what else can be touched has WCAG 2.2's least size.
  buttonPx: 44,
  targetPx: 24,
};

function faults({ columnEm, buttonPx, targetPx }) {
  const found = new Set();
  const tolerance = 1;

  if (document.documentElement.scrollWidth > innerWidth) found.add('the page sticks out of the window');
  for (const text of texts()) {
    const column = columnOf(text.parentElement);
    const { left, right } = column.getBoundingClientRect();
    const least = columnEm * Number.parseFloat(getComputedStyle(text.parentElement).fontSize);
    for (const { 0: words, index } of text.data.matchAll(/\S+/g)) {
      const lines = linesOf(text, index, words.length);
      const isNarrow = lines.length > 1 && Math.max(...lines.map(({ width }) => width)) < least;
      const broken = isNarrow && brokenWord(text, words, index);
      if (broken) found.add(`${named(column)} is too narrow for “${cut(broken)}”`);
      const sticksOut = lines.some((line) => line.left < left - tolerance || line.right > right + tolerance);
      if (sticksOut) found.add(`“${cut(words)}” sticks out of ${named(column)}`);
      if (broken || sticksOut) break;
    }
  }
  const controls = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
    .filter(isSeen)
    .map((element) => ({ element, boxes: [...element.getClientRects()] }))
    .filter(({ element, boxes }) => boxes.length > 0 && !isScrolledAway(element));
  controls.forEach(({ element, boxes }, index) => {
    if (isTooSmall(element, boxes)) found.add(`${named(element)} is too small to touch`);
    for (const other of controls.slice(index + 1)) {
      if (overlap(boxes, other.boxes)) found.add(`${named(element)} and ${named(other.element)} overlap`);
    }
  });
  return [...found];

  function texts() {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const all = [];
    while (walker.nextNode()) all.push(walker.currentNode);
    return all.filter(({ data, parentElement }) => /\S/.test(data) && isSeen(parentElement));
  }

  function isSeen(element) {
    if (element.closest('svg, option, script, style')) return false;
    if (!element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) return false;
    // What only assistive technology reads is left of the window.
    return element.getBoundingClientRect().right > 0;
  }

  function isScrolledAway(element) {
    const { top, bottom } = element.getBoundingClientRect();
    for (let outer = element.parentElement; outer !== document.body; outer = outer.parentElement) {
      if (getComputedStyle(outer).overflowY === 'visible') continue;
      const shown = outer.getBoundingClientRect();
      if (top < shown.top || bottom > shown.bottom) return true;
    }
    return false;
  }

  /** The boxes of a part of a text, one for each line that it is on. */
  function linesOf(text, index, length) {
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + length);
    const lines = [];
    for (const box of range.getClientRects()) {
      const isOfLine = ({ top, bottom }) => box.top < bottom - tolerance && top < box.bottom - tolerance;
      if (!lines.some(isOfLine)) lines.push(box);
    }
    return lines;
  }

  /** The first word with a line's end inside. A line may end at any punctuation. */
  function brokenWord(text, words, index) {
    for (const { 0: word, index: within } of words.matchAll(/[\p{L}\p{N}_]+/gu)) {
      if (linesOf(text, index + within, word.length).length > 1) return word;
    }
    return undefined;
  }

  /** The box that bounds a text: a cell, a flex box, a grid or an item of one, or the page. */
  function columnOf(element) {
    const display = (of) => getComputedStyle(of).display;
    const isBox = (of) => /flex|grid/.test(display(of));
    let column = element;
    while (column !== document.body) {
      if (display(column) === 'table-cell' || isBox(column) || isBox(column.parentElement)) return column;
      column = column.parentElement;
    }
    return column;
  }

  /** A link in a sentence is as tall as its line, and a box is touched by its label, too. */
  function isTooSmall(element, boxes) {
    const { display } = getComputedStyle(element);
    if (display === 'inline') return false;
    const isTick = ['checkbox', 'radio'].includes(element.type);
    const isButton = !isTick && element.matches('button, .button, input, select, textarea');
    const { width, height } = isTick && element.labels[0] ? around(element, element.labels[0]) : boxes[0];
    return height < (isButton ? buttonPx : targetPx) - tolerance || width < targetPx - tolerance;
  }

  function around(...elements) {
    const boxes = elements.map((element) => element.getBoundingClientRect());
    return {
      width: Math.max(...boxes.map(({ right }) => right)) - Math.min(...boxes.map(({ left }) => left)),
      height: Math.max(...boxes.map(({ bottom }) => bottom)) - Math.min(...boxes.map(({ top }) => top)),
    };
  }

  function overlap(ones, others) {
    return ones.some((one) =>
      others.some(
        (other) =>
          Math.min(one.right, other.right) - Math.max(one.left, other.left) > tolerance &&
          Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > tolerance,
      ),
    );
  }

  function named(element) {
    const name = element.id || element.getAttribute('name') || cut(element.textContent.trim().replace(/\s+/g, ' '));
    return `${element.localName}${name && ` “${name}”`}`;
  }

  function cut(text) {
    return text.length > 40 ? `${text.slice(0, 40)}…` : text;
  }
}
