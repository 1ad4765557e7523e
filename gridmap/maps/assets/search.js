/* The search box of every page: cells, areas, compounds, buildings and addresses by name or code. */

const MOST = { area: 3, place: 4, cell: 8 }; // lines of each kind, of eight in all
const LINES = 8;

/** Write a text as it is compared: one width, one case, no blanks. */
function folded(text) {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, '');
}

/** Undo front coding: each text starts with how many characters it shares with the one before. */
function whole(coded) {
  let before = '';
  return coded.map((text) => (before = before.slice(0, parseInt(text[0], 36)) + text.slice(1)));
}

/** Make an entry of the list: what it is called, what it is, and what it leads to. */
function entry(group, name, hint, at, code = '') {
  return { group, name, hint, at, keys: [folded(name), folded(code), ...inChinese(folded(name))].filter(Boolean) };
}

/** Write the automatic name of a cell as pages in Chinese do, whose readers also search an English one. */
function inChinese(name) {
  const [, place, number] = /^(.*?)cell(\d{1,3})$/.exec(name) || [];
  if (!number) return [];
  const [hundreds, tens, ones] = number.padStart(3, '0');
  const figure = (k) => '零一二三四五六七八九'[k];
  const ten = tens === '0' ? (hundreds !== '0' && ones !== '0' ? '零' : '')
    : (tens === '1' && hundreds === '0' ? '' : figure(tens)) + '十';
  const numeral = (hundreds === '0' ? '' : figure(hundreds) + '百') + ten + (ones === '0' ? '' : figure(ones));
  return [numeral, number].map((k) => place + '第' + k + '网格');
}

/** List what can be found: areas of each level, places that were sent, cells. */
export function searchable(levels, sent, cells) {
  const found = [];
  levels.forEach((level) => level.names.forEach((name, k) => {
    found.push(entry('area', name, level.title, { cells: () => [...level.of.keys()].filter((i) => level.of[i] === k) }));
  }));
  const places = sent || { kinds: [], of: '', texts: [], at: [] };
  whole(places.texts).forEach((name, k) => {
    found.push(entry('place', name, places.kinds[Number(places.of[k])], { spots: places.at[k] }));
  });
  cells.code.forEach((code, k) => {
    const name = cells.name[k] || code;
    found.push(entry('cell', name, name === code ? '' : code, { cells: () => [k] }, code));
  });
  return found;
}

/** Find by a part of a name or code: the same first, then beginnings, then the rest. */
export function sought(entries, text) {
  const wanted = folded(text);
  if (!wanted) return [];
  const ranked = [[], [], []];
  for (const one of entries) {
    let rank = 3;
    for (const key of one.keys) {
      const at = key.indexOf(wanted);
      if (at >= 0) rank = Math.min(rank, key === wanted ? 0 : at === 0 ? 1 : 2);
    }
    if (rank < 3) ranked[rank].push(one);
  }
  const left = Object.assign({}, MOST);
  const found = ranked.flat().filter((one) => left[one.group]-- > 0).slice(0, LINES);
  return found.length ? found : around(entries, wanted);
}

/** Where a building is not listed itself, find the compound or street its name begins with. */
function around(entries, wanted) {
  return entries.filter((one) => one.group === 'place' && one.keys[0].length > 1 && wanted.startsWith(one.keys[0]))
    .sort((a, b) => b.keys[0].length - a.keys[0].length).slice(0, MOST.place);
}

let boxes = 0;

/** Make the box. `list()` gives the entries when they are first asked for; `clear` takes a mark away. */
export function searchBox(words, list, { go, clear }) {
  const make = (tag, name, text = '') => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.textContent = text; // always as text, never as markup
    return element;
  };
  const box = make('div', 'gm-search');
  const input = make('input');
  const lines = make('div', 'gm-found');
  let entries = null, found = [], at = 0;
  input.type = 'search';
  input.placeholder = words.search;
  input.autocomplete = 'off';
  lines.hidden = true;
  lines.id = `gm-found-${boxes++}`;
  const roles = { role: 'combobox', 'aria-label': words.search, 'aria-autocomplete': 'list',
    'aria-controls': lines.id, 'aria-expanded': 'false' };
  for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
  lines.setAttribute('role', 'listbox');
  lines.setAttribute('aria-label', words.search);
  const said = make('p', '');
  said.setAttribute('role', 'status');
  const fold = () => {
    lines.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const take = (k) => {
    if (!found[k]) return;
    go(found[k]);
    input.value = found[k].name;
    said.hidden = true;
    fold();
  };
  const line = (one, k) => {
    const made = make('div', k === at ? 'gm-at' : '');
    made.id = `${lines.id}-${k}`;
    made.setAttribute('role', 'option');
    made.setAttribute('aria-selected', String(k === at));
    made.append(make('span', '', one.name), make('small', '', one.hint));
    made.addEventListener('pointerdown', (event) => event.preventDefault()); // the input keeps the focus
    made.addEventListener('click', () => take(k));
    return made;
  };
  const show = () => {
    lines.replaceChildren(...found.map(line));
    lines.hidden = !found.length;
    const told = input.value.trim() && !found.length ? [words.nothing, words.searchLeft] : [];
    said.textContent = told.filter(Boolean).join(' ');
    said.hidden = !told.length;
    input.setAttribute('aria-expanded', String(!lines.hidden));
    if (found.length) input.setAttribute('aria-activedescendant', `${lines.id}-${at}`);
    else input.removeAttribute('aria-activedescendant');
  };
  input.addEventListener('focus', () => { entries = null; }); // names may have changed meanwhile
  input.addEventListener('input', () => {
    entries = entries || list();
    found = sought(entries, input.value);
    at = 0;
    if (!found.length) clear(); // no mark of an earlier search stays
    show();
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') take(at);
    else if (event.key === 'Escape' && !lines.hidden) {
      fold();
      event.stopPropagation(); // the next one clears the box and closes the card
      event.preventDefault();
    }
    else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && found.length) {
      at = (at + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % found.length;
      show();
      event.preventDefault();
    }
  });
  said.hidden = true;
  box.append(input, lines, said);
  return box;
}
