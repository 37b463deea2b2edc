'use strict';
// Copying: the buttons are useless without a script, so they appear with it.
for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const field = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = 'Copied';
    } catch {
      field.select();
      button.textContent = 'Press Ctrl+C';
    }
    document.getElementById('said').textContent = button.textContent;
  });
}
// The checklist of scopes, searched; a chosen scope marks what comes along with it.
const search = document.getElementById('scope-search');
if (search) {
  search.parentElement.hidden = false;
  const lines = [...document.querySelectorAll('.list label')].map((line) => {
    const box = line.querySelector('input');
    const mark = document.createElement('i');
    mark.className = 'tag good';
    mark.textContent = 'comes along';
    mark.hidden = true;
    line.querySelector('code').after(' ', mark);
    return { line, box, mark, text: line.textContent.toLowerCase(), includes: line.querySelector('q')?.textContent.split(', ') ?? [] };
  });
  search.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase();
    for (const { line, text } of lines) line.hidden = !text.includes(wanted);
  });
  const mark = () => {
    const along = new Set(lines.filter(({ box }) => box.checked).flatMap(({ includes }) => includes));
    for (const { box, mark } of lines) mark.hidden = !along.has(box.value);
  };
  for (const { box } of lines) box.addEventListener('change', mark);
  mark();
}
// Fields that belong to one choice show only with it.
for (const radio of document.querySelectorAll('[data-shows]')) {
  const show = () => {
    for (const part of document.querySelectorAll(`[data-part-of="${radio.name}"]`)) {
      part.hidden = !part.dataset.part.split(' ').includes(document.querySelector(`[name="${radio.name}"]:checked`)?.value);
    }
  };
  radio.addEventListener('change', show);
  show();
}
// A PEM file can be picked instead of pasted; it is read here and sent as text.
for (const picker of document.querySelectorAll('[data-into]')) {
  picker.parentElement.hidden = false;
  picker.addEventListener('change', async () => {
    if (picker.files[0]) document.getElementById(picker.dataset.into).value = await picker.files[0].text();
  });
}
