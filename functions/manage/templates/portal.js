'use strict';
// Copy buttons need a script, so the script shows them.
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
// Searches the list of scopes, and marks the scopes that a chosen one includes.
const search = document.getElementById('scope-search');
if (search) {
  search.parentElement.hidden = false;
  const lines = [...document.querySelectorAll('.list label')].map((line) => {
    const box = line.querySelector('input');
    const mark = document.createElement('i');
    mark.className = 'tag good';
    mark.textContent = 'included';
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
// Shows the fields of the chosen option only.
for (const radio of document.querySelectorAll('[data-shows]')) {
  const show = () => {
    for (const part of document.querySelectorAll(`[data-part-of="${radio.name}"]`)) {
      part.hidden = !part.dataset.part.split(' ').includes(document.querySelector(`[name="${radio.name}"]:checked`)?.value);
    }
  };
  radio.addEventListener('change', show);
  show();
}
// Reads a chosen PEM file into its text field.
for (const picker of document.querySelectorAll('[data-into]')) {
  picker.parentElement.hidden = false;
  picker.addEventListener('change', async () => {
    if (picker.files[0]) document.getElementById(picker.dataset.into).value = await picker.files[0].text();
  });
}
