/* The controls around a gridmap layer: tabs, legend, search, time, card, picture and print. */
(function () {
  'use strict';

  const G = window.gridmap;

  /** Make an element; text is always set as text, never as markup. */
  function make(tag, name, text) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined && text !== null) element.textContent = text;
    return element;
  }

  function button(name, text, title, act) {
    const element = make('button', name, text);
    element.type = 'button';
    element.title = title;
    // signs are called by what they do; words are their own name, and the title explains them
    if (!/\p{L}/u.test(text)) element.setAttribute('aria-label', title);
    element.addEventListener('click', act);
    return element;
  }

  function number(value, digits) {
    if (value === null || value === undefined) return '–';
    if (typeof value !== 'number') return String(value);
    return value.toLocaleString('en-US', { minimumFractionDigits: digits || 0, maximumFractionDigits: digits || 0 });
  }

  /** A room is a Leaflet map with one layer of cells and the controls that speak to it. */
  function Room(map, data, options) {
    this.map = map;
    this.data = data;
    this.words = data.words;
    this.options = options || {};
    this.layer = new G.Layer(data, { show: data.show });
    this.layer.waits = true; // until all is in its place: one picture, not four
    this.layer.addTo(map);
    this.period = -1;
    if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) map._zoomAnimated = false;
    this.build();
    this.setTheme(data.theme || 0);
    this.fit();
    this.layer.waits = false;
    this.layer.draw();
    this.layer.on('hover', (event) => this.card(event.cell >= 0 ? event.cell : this.chosenCell()));
    this.layer.on('choose', (event) => (event.cell >= 0 ? this.choose([event.cell]) : this.clear()));
    window.addEventListener('beforeprint', () => this.preparePrint());
    this.map.on('resize', () => this.narrow());
    G.rooms.push(this);
  }

  Room.prototype.build = function () {
    const root = this.root = make('div', 'gm-room');
    const left = make('div', 'gm-left');
    const right = make('div', 'gm-right');
    if (this.data.title) left.append(this.titleBlock());
    if (this.data.themes.length > 1 || this.data.heat) left.append(this.tabs());
    left.append(this.toggles(), this.search());
    right.append(this.buttons());
    this.leftBox = left;
    this.legendBox = make('div', 'gm-legend');
    this.cardBox = make('div', 'gm-card');
    this.cardBox.hidden = true;
    this.cardBox.setAttribute('role', 'status');
    this.sliderBox = make('div', 'gm-slider');
    root.append(left, right, this.legendBox, this.cardBox, this.sliderBox);
    if (this.data.title && this.data.credit) root.append(make('div', 'gm-credit', this.data.credit));
    this.printed = make('img', 'gm-printed');
    this.printed.alt = '';
    const container = this.map.getContainer();
    container.setAttribute('role', document.querySelector('main, [role="main"]') ? 'region' : 'main');
    container.setAttribute('aria-label', this.words.map);
    container.append(root);
    container.addEventListener('keydown', (event) => event.key === 'Escape' && this.clear());
    container.parentNode.insertBefore(this.printed, container.nextSibling);
    L.DomEvent.disableClickPropagation(root);
    L.DomEvent.disableScrollPropagation(root);
    root.addEventListener('mousemove', (event) => event.target !== root && event.stopPropagation());
    L.control.scale({ imperial: false, position: 'bottomright', maxWidth: 110 }).addTo(this.map);
    this.narrow();
  };

  /** Small maps get a folded legend and shorter controls. */
  Room.prototype.narrow = function () {
    const small = this.map.getSize().x < 720;
    this.root.classList.toggle('gm-small', small);
    this.map.getContainer().classList.toggle('gm-narrow', small);
    if (small) this.foot();
  };

  /** On a small map the bar of the scale stands over the legend. */
  Room.prototype.foot = function () {
    const slider = this.sliderBox.hidden ? 0 : this.sliderBox.offsetHeight + 8;
    this.map.getContainer().style.setProperty('--gm-foot', this.legendBox.offsetHeight + slider + 8 + 'px');
  };

  Room.prototype.titleBlock = function () {
    const block = make('div', 'gm-title');
    block.append(make('h1', '', this.data.title));
    if (this.data.subtitle) block.append(make('p', '', this.data.subtitle));
    return block;
  };

  Room.prototype.tabs = function () {
    const bar = make('div', 'gm-tabs');
    bar.setAttribute('role', 'tablist');
    bar.setAttribute('aria-label', this.words.themes);
    bar.addEventListener('keydown', (event) => this.turn(event));
    this.tabButtons = this.data.themes.map((theme, i) => {
      return button('', theme.tab || theme.title, theme.title, () => this.showTheme(i));
    });
    if (this.data.heat) {
      this.tabButtons.push(button('gm-heat', this.words.density, this.data.heat.legend.title, () => this.showHeat()));
    }
    this.tabButtons.forEach((tab) => {
      tab.setAttribute('role', 'tab');
      bar.append(tab);
    });
    return bar;
  };

  /** One thing at a time: a theme, or the density over pale cells. */
  Room.prototype.showTheme = function (index) {
    this.layer.show.heat = false;
    this.setTheme(index);
  };

  Room.prototype.showHeat = function () {
    this.layer.show.heat = true;
    this.setTheme(this.themeIndex);
  };

  Room.prototype.tabOn = function () {
    return this.data.heat && this.layer.show.heat ? this.data.themes.length : this.themeIndex;
  };

  /** Walk along the tabs by arrow keys, as readers of screens expect. */
  Room.prototype.turn = function (event) {
    const count = this.tabButtons.length;
    const on = this.tabOn();
    const to = {
      ArrowRight: (on + 1) % count, ArrowLeft: (on + count - 1) % count,
      Home: 0, End: count - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.tabButtons[to].click();
    this.tabButtons[to].focus();
  };

  Room.prototype.toggles = function () {
    const words = this.words;
    const bar = make('div', 'gm-toggles');
    const wanted = [];
    if (this.data.levels.length) wanted.push(['levels', words.borders]);
    wanted.push(['labels', words.labels]);
    if (this.data.marks) wanted.push(['marks', words.marks]);
    if (this.data.old) wanted.push(['old', this.data.old.label]);
    wanted.forEach(([key, text]) => {
      const label = make('label');
      const box = make('input');
      box.type = 'checkbox';
      box.checked = Boolean(this.layer.show[key]);
      box.name = 'gm-' + key;
      box.addEventListener('change', () => {
        this.layer.show[key] = box.checked;
        this.legend(this.current());
        this.layer.draw();
      });
      label.append(box, document.createTextNode(text));
      bar.append(label);
    });
    return bar;
  };

  Room.prototype.buttons = function () {
    const words = this.words;
    const column = make('div', 'gm-buttons');
    column.append(
      button('gm-sign', '+', words.zoomIn, () => this.map.zoomIn()),
      button('gm-sign', '−', words.zoomOut, () => this.map.zoomOut()),
      button('', words.whole, words.wholeTitle, () => this.whole()),
      button('gm-png', 'PNG', words.pngTitle, () => this.savePicture()),
      button('gm-print', words.print, words.printTitle, () => window.print()));
    return column;
  };

  Room.prototype.whole = function () {
    this.clear();
    this.fit();
  };

  /** Fit the whole map where the controls leave room; on a wide screen if that costs little of its size. */
  Room.prototype.fit = function () {
    const bounds = this.layer.getBounds();
    const small = this.root.classList.contains('gm-small');
    const title = this.leftBox.querySelector('.gm-title');
    const parts = Array.from(this.leftBox.children)
      .filter((part) => part !== title && !part.classList.contains('gm-tabs'));
    const wide = Math.max.apply(null, parts.concat(this.legendBox).map((part) => part.offsetWidth)) + 22;
    const over = Array.from(this.leftBox.children)
      .filter((part) => !parts.includes(part) && part.offsetWidth > wide)
      .map((part) => part.offsetTop + part.offsetHeight + 20);
    const head = Math.max(12, ...over);
    const top = this.leftBox.offsetHeight + 20;
    const bottom = this.sliderBox.hidden ? (small ? 12 : 34) : this.sliderBox.offsetHeight + 20;
    const ways = small
      ? [[12, top, 12, this.root.offsetHeight - this.legendBox.offsetTop + 28], [12, top, 12, bottom]]
      : [[wide, head, 56, bottom], [12, title ? title.offsetHeight + 20 : 12, 12, bottom]];
    const zoom = (way) => this.map.getBoundsZoom(bounds, false, L.point(way[0] + way[2], way[1] + way[3]));
    const plain = [12, 12, 12, bottom];
    const best = zoom(plain);
    const dear = small ? 1.5 : 0.45; // legends of a phone are as wide as its map, and would hide a side
    const way = ways.find((one) => best - zoom(one) <= dear) || plain;
    this.map.fitBounds(bounds, {
      paddingTopLeft: way.slice(0, 2), paddingBottomRight: way.slice(2), animate: false,
    });
  };

  /* ---------- theme, legend, time ---------- */

  Room.prototype.setTheme = function (index) {
    this.themeIndex = index;
    const theme = this.data.themes[index];
    const on = this.tabOn();
    (this.tabButtons || []).forEach((tab, i) => {
      tab.classList.toggle('gm-on', i === on);
      tab.setAttribute('aria-selected', String(i === on));
      tab.tabIndex = i === on ? 0 : -1;
    });
    this.slider(this.layer.show.heat ? {} : theme);
    this.legend(this.current());
    this.layer.setTheme(this.current());
    this.card(this.chosenCell());
  };

  /** The theme on show: the whole time, or one period of it. */
  Room.prototype.current = function () {
    const theme = this.data.themes[this.themeIndex];
    if (!theme.periods || this.period < 0) return theme;
    return Object.assign({}, theme, theme.periods[this.period], theme.at && theme.at(this.period));
  };

  Room.prototype.legend = function (theme) {
    const box = this.legendBox;
    box.textContent = '';
    if (this.data.heat && this.layer && this.layer.show.heat) box.append(this.heatLegend());
    else this.classLegend(box, theme);
    if (this.map && this.root.classList.contains('gm-small')) this.foot();
  };

  /** A bar as long as a count is of the most; beside one count alone it would tell nothing. */
  function share(counts, k) {
    const bar = make('s');
    bar.style.width = counts.length > 1 ? Math.round(40 * counts[k] / Math.max(1, ...counts)) + 'px' : '0';
    return bar;
  }

  Room.prototype.classLegend = function (box, theme) {
    const head = make('div', 'gm-legend-head');
    head.append(make('b', '', theme.title));
    if (theme.unit) head.append(make('span', '', theme.unit));
    if (!this.data.marks) head.append(make('em', '', this.words.counts));
    box.append(head);
    const table = make('div', 'gm-legend-rows');
    theme.classes.forEach((row, i) => {
      const line = make('div', 'gm-legend-row');
      const swatch = make('i');
      swatch.style.background = row.color;
      if (row.hatch) {
        swatch.style.backgroundImage = 'repeating-linear-gradient(135deg,' + row.hatch +
          ' 0 1px,transparent 1px 4px)';
      }
      const count = make('em', '', number(theme.counts[i]));
      line.append(swatch, this.legendWord(theme, i), share(theme.counts, i), count);
      table.append(line);
    });
    box.append(table);
    if (this.data.marks) box.append(this.markLegend());
    if (this.data.old) {
      const dashes = make('div', 'gm-legend-rows');
      dashes.append(make('div', 'gm-legend-row'));
      dashes.firstChild.append(make('i', 'gm-dashes'), make('span', '', this.data.old.label), share([0], 0), make('em'));
      box.append(dashes);
    }
    if (theme.note) box.append(make('p', '', theme.note));
  };

  /** The name of a class; where its cells are sought, a click leads from one to the next. */
  Room.prototype.legendWord = function (theme, k) {
    const row = theme.classes[k];
    if (!row.seek || !theme.counts[k] || !this.map) return make('span', '', row.label);
    return button('gm-kind', row.label, this.words.each, () => {
      const same = G.seek(theme).filter((cell) => theme.of[cell] === k);
      const now = same.indexOf(this.chosenCell());
      this.choose([same[(now + 1) % same.length]], true);
    });
  };

  /** Kinds of marks with their counts; a click leads from one mark of the kind to the next. */
  Room.prototype.markLegend = function () {
    const table = make('div', 'gm-legend-rows gm-legend-marks');
    const counts = this.data.marks.kinds.map((kind) => kind.count);
    this.data.marks.kinds.forEach((kind, k) => {
      const line = make('div', 'gm-legend-row');
      const form = make('canvas', 'gm-form');
      form.width = form.height = 64;
      G.symbol(form.getContext('2d'), 32, 28, 6.5, kind, 3);
      const name = button('gm-kind', kind.label, this.words.each, () => this.nextMark(k));
      line.append(form, name, share(counts, k), make('em', '', number(kind.count)));
      table.append(line);
    });
    return table;
  };

  Room.prototype.nextMark = function (kind) {
    const marks = this.data.marks;
    const same = marks.xy.map((_, i) => i).filter((i) => marks.of[i] === kind);
    if (!same.length) return;
    this.mark = same[(same.indexOf(this.mark) + 1) % same.length];
    const at = marks.xy[this.mark];
    const half = Math.max(at[2], 40) * 1.5;
    this.map.fitBounds(G.toBounds([at[0] - half, at[1] - half, at[0] + half, at[1] + half]),
      { animate: false, maxZoom: 19 });
    this.openCard(marks.texts[this.mark]);
  };

  Room.prototype.heatLegend = function () {
    const heat = this.data.heat.legend;
    const box = make('div');
    const head = make('div', 'gm-legend-head');
    head.append(make('b', '', heat.title), make('span', '', heat.unit));
    const table = make('div', 'gm-legend-rows');
    heat.rows.forEach((row) => {
      const line = make('div', 'gm-legend-row');
      const swatch = make('i');
      swatch.style.background = row.color;
      line.append(swatch, make('span', '', row.label), share([0], 0), make('em'));
      table.append(line);
    });
    box.append(head, table, make('p', '', heat.note));
    return box;
  };

  Room.prototype.slider = function (theme) {
    const box = this.sliderBox;
    box.textContent = '';
    this.stop();
    box.hidden = !theme.periods;
    this.root.classList.toggle('gm-timed', Boolean(theme.periods));
    this.map.getContainer().classList.toggle('gm-has-slider', Boolean(theme.periods));
    if (!theme.periods) return;
    const first = theme.wholeTime ? -1 : 0;
    const range = make('input');
    range.type = 'range';
    range.min = first;
    range.max = theme.periods.length - 1;
    if (this.period >= theme.periods.length || this.period < first) {
      this.period = theme.wholeTime ? -1 : theme.periods.length - 1;
    }
    range.value = this.period;
    range.setAttribute('aria-label', this.words.time);
    const text = make('output');
    const bars = this.bars(theme);
    const tell = () => {
      text.textContent = this.periodText(theme);
      range.setAttribute('aria-valuetext', text.textContent);
      bars.forEach((bar, k) => {
        bar.classList.toggle('gm-now', k + first === this.period);
        bar.classList.toggle('gm-all', this.period < 0);
      });
    };
    range.addEventListener('input', () => {
      this.period = Number(range.value);
      tell();
      this.legend(this.current());
      this.layer.setTheme(this.current());
      this.card(this.chosenCell());
    });
    tell();
    const play = button('gm-play', '▶', this.words.play, () => this.play(range, play));
    const course = make('div', 'gm-course');
    const track = make('div', 'gm-track');
    track.append(...bars.slice(-first), this.years(theme));
    course.append(...bars.slice(0, -first), track, range);
    this.drag(course, bars, range);
    box.append(play, course, text);
  };

  /** The bars are the slider for a finger or a mouse; the keyboard has the range that lies over them. */
  Room.prototype.drag = function (course, bars, range) {
    const at = (event) => {
      const k = bars.findIndex((bar) => event.clientX < bar.getBoundingClientRect().right);
      const value = Number(range.min) + (k < 0 ? bars.length - 1 : k);
      if (value === Number(range.value)) return;
      range.value = value;
      range.dispatchEvent(new Event('input'));
    };
    course.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      course.setPointerCapture(event.pointerId);
      range.focus();
      at(event);
    });
    course.addEventListener('pointermove', (event) => course.hasPointerCapture(event.pointerId) && at(event));
  };

  /** A bar for each period, as high as it has incidents; the first and last are pale where cut. */
  Room.prototype.bars = function (theme) {
    const most = Math.max.apply(null, theme.periods.map((period) => period.total || 0));
    const bars = theme.periods.map((period) => {
      const bar = make('i', period.whole === false ? 'gm-cut' : '');
      const part = most && period.total !== null && period.total !== undefined ? period.total / most : 0.5;
      bar.style.setProperty('--high', Math.max(4, Math.round(100 * part)) + '%');
      return bar;
    });
    return theme.wholeTime ? [make('i', 'gm-whole', this.words.allTime), ...bars] : bars;
  };

  /** Years where they begin, so far as there is room between them. */
  Room.prototype.years = function (theme) {
    const axis = make('div', 'gm-years');
    const count = theme.periods.length;
    const year = (k) => theme.periods[k].label.slice(0, 4);
    let last = -1;
    for (let k = 0; k < count; k++) {
      if (!/^\d{4}$/.test(year(k)) || (k && year(k - 1) === year(k))) continue;
      if (last >= 0 && k / count - last < 0.18) axis.lastChild.remove();
      last = k / count;
      const word = make('span', '', year(k));
      word.style.left = 100 * Math.min(last, 0.84) + '%';
      axis.append(word);
    }
    return axis;
  };

  Room.prototype.periodText = function (theme) {
    if (this.period < 0) return this.words.wholeTime;
    const period = theme.periods[this.period];
    return period.label + (period.whole === false ? ' · ' + this.words.cut : '');
  };

  /** On paper, where no slider shows it, the whole time is told from when to when. */
  Room.prototype.timeOnPaper = function (theme) {
    const first = theme.periods[0].label, last = theme.periods[theme.periods.length - 1].label;
    if (this.period >= 0 || first === last) return this.periodText(theme);
    return theme.steps ? theme.steps.span : first + ' – ' + last;
  };

  Room.prototype.play = function (range, play) {
    if (this.timer) {
      this.stop();
      play.textContent = '▶';
      return;
    }
    play.textContent = '❚❚';
    this.timer = setInterval(() => {
      range.value = Number(range.value) >= Number(range.max) ? range.min : Number(range.value) + 1;
      range.dispatchEvent(new Event('input'));
    }, 900);
  };

  Room.prototype.stop = function () {
    clearInterval(this.timer);
    this.timer = null;
  };

  /* ---------- one cell ---------- */

  Room.prototype.chosenCell = function () {
    return this.layer.chosen.length === 1 ? this.layer.chosen[0] : -1;
  };

  Room.prototype.choose = function (cells, zoom) {
    this.layer.highlight(cells);
    if (zoom) this.layer.zoomTo(cells, cells.length > 1 ? 17 : 16);
    this.card(this.chosenCell());
  };

  Room.prototype.clear = function () {
    this.layer.highlight([]);
    this.card(-1);
  };

  Room.prototype.openCard = function (title) {
    const close = button('gm-close', '', this.words.close, () => {
      this.clear();
      this.map.getContainer().focus({ preventScroll: true }); // as the button is gone
    });
    this.cardBox.replaceChildren(make('b', '', title), close);
    this.cardBox.hidden = false;
    this.map.getContainer().classList.add('gm-told');
  };

  Room.prototype.card = function (cell) {
    const box = this.cardBox;
    box.hidden = true;
    this.root.classList.toggle('gm-carded', cell >= 0);
    this.map.getContainer().classList.remove('gm-told');
    if (cell < 0) return;
    const data = this.data;
    this.openCard(data.name[cell] || data.code[cell]);
    const table = make('table');
    const row = (title, value, bad) => {
      const line = make('tr');
      line.append(make('th', '', title), make('td', bad ? 'gm-bad' : '', value));
      table.append(line);
    };
    if (data.name[cell] !== data.code[cell]) row(this.words.code, data.code[cell]);
    data.levels.forEach((level) => row(level.title, level.names[level.of[cell]]));
    data.columns.forEach((column) => {
      const value = column.values[cell];
      if (value === null || value === '') return;
      row(column.title, (column.texts ? column.texts[value] : number(value, column.digits)) +
        (column.unit ? ' ' + column.unit : ''));
    });
    if (!this.layer.show.heat) this.told(this.current(), cell).forEach(([title, value]) => row(title, value));
    box.append(table);
    const history = this.data.themes.find((theme) => theme.history);
    if (history) box.append(this.course(history, cell));
  };

  /** How incidents came in one cell: a bar for each period. */
  Room.prototype.course = function (theme, cell) {
    const counts = theme.history(cell);
    const most = Math.max(1, Math.max.apply(null, counts));
    const line = make('div', 'gm-spark');
    line.setAttribute('role', 'img');
    const ends = [0, counts.length - 1].map((k) => theme.periods[k].label).join(' – ');
    line.setAttribute('aria-label', this.words.course + ' ' + ends + ': ' + counts.join(', '));
    counts.forEach((count, k) => {
      const bar = make('i', k === this.period ? 'gm-now' : theme.periods[k].whole === false ? 'gm-cut' : '');
      bar.style.setProperty('--high', Math.round(100 * count / most) + '%');
      line.append(bar);
    });
    const block = make('div', 'gm-history');
    block.append(make('span', '', this.words.course + ' ' + ends), line);
    return block;
  };

  /** What the layer on show says of a cell: its own number before its class. */
  Room.prototype.told = function (theme, cell) {
    const label = theme.classes[theme.of[cell]].label;
    const value = theme.values ? theme.values[cell] : null;
    if (value === null) return theme.classes.length > 1 ? [[theme.title, label]] : [];
    const text = number(value, theme.digits);
    const unit = theme.unit ? ' ' + theme.unit : '';
    return label === text ? [[theme.title, text + unit]] : [[theme.title, text + unit], [this.words.klass, label]];
  };

  /* ---------- search ---------- */

  Room.prototype.search = function () {
    const data = this.data;
    const words = Object.assign({ searchLeft: data.places && data.places.left }, this.words);
    return searchBox(words, () => searchable(data.levels, data.places, data), {
      go: (one) => this.choose(one.at.cells ? one.at.cells() : one.at.spots, true),
      clear: () => this.clear(),
    });
  };

  Room.prototype.cellsOf = function (level, place) {
    const cells = [];
    level.of.forEach((value, cell) => {
      if (value === place) cells.push(cell);
    });
    return cells;
  };

  /* ---------- pictures: always from an off-screen render, never from the screen ---------- */

  /** Paint the whole map into a new canvas of a fixed size, inset to leave room for words. */
  Room.prototype.still = function (width, height, factor, inset, numbered) {
    const canvas = make('canvas');
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext('2d');
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, width, height);
    const box = G.boxOf(this.data.shape, G.all(this.data.shape));
    const wide = width - (inset.left + inset.right) * factor;
    const high = height - (inset.top + inset.bottom) * factor;
    const scale = Math.min(wide / (box[2] - box[0]), high / (box[3] - box[1]));
    const view = {
      scale: scale,
      dx: inset.left * factor + wide / 2 - (box[0] + box[2]) / 2 * scale,
      dy: inset.top * factor + high / 2 + (box[1] + box[3]) / 2 * scale,
      width: width, height: height, factor: factor, numbered: numbered,
    };
    this.layer.painter.paint(pen, view, this.current(), this.layer.show);
    this.layer.painter.names(pen, view, this.layer.show);
    return { canvas: canvas, pen: pen, view: view };
  };

  /** A sheet for slides or paper: map, legend, scale bar and north; with a heading on request. */
  Room.prototype.sheet = function (width, height, factor, heading) {
    const legend = this.legendWidth();
    const head = heading ? this.headLines(width / factor - 56) : [];
    const rule = heading ? Math.max(66, head[head.length - 1].y + 13) : 0;
    const foot = heading ? wrap(brush(), this.data.credit || '', width / factor - 300, '11.5px ') : [];
    const [left, top] = heading ? [28, rule + 34] : [8, 16];
    const listed = heading && this.data.marks && this.layer.show.marks;
    const list = listed ? this.markList(height / factor - 60 - this.paperLegend(brush(), factor, left, top, legend), legend) : [];
    const still = this.still(width, height, factor, {
      left: legend + 44, right: 30, top: heading ? rule + 18 : 10, bottom: heading ? 29 + 15 * Math.max(1, foot.length) : 34,
    }, list.length);
    const pen = still.pen;
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    if (heading) {
      pen.fillStyle = '#8e1b1b';
      pen.fillRect(28 * factor, rule * factor, width - 56 * factor, 2.5 * factor);
      head.forEach((line) => this.ink(pen, factor, line.text, 28, line.y, line.points, line.style, line.color));
      foot.forEach((line, k) =>
        this.ink(pen, factor, line, 28, height / factor - 20 - 15 * (foot.length - 1 - k), 11.5, '', '#4a5a63'));
    }
    this.paperList(pen, factor, left, this.paperLegend(pen, factor, left, top, legend), list);
    this.scaleBar(still, factor, width, height);
    this.north(pen, factor, width - 44 * factor, (heading ? rule + 42 : 30) * factor);
    return still.canvas;
  };

  /** Title and subtitle as lines that fit a width: a long title smaller, in as many as it needs. */
  Room.prototype.headLines = function (width) {
    const pen = brush();
    const title = this.options.title || this.data.title || '';
    const below = wrap(pen, this.options.subtitle || this.data.subtitle || '', width, '13px ');
    const points = wrap(pen, title, width, '700 25px ').length > 1 ? 17 : 25;
    let y = (below.length ? 26 : 38) - points * 1.25;
    const head = wrap(pen, title, width, '700 ' + points + 'px ')
      .map((text) => ({ text: text, y: y += points * 1.25, points: points, style: '700' }));
    y += points === 25 ? 8 : 4;
    return head.concat(below.map((text) => ({ text: text, y: y += 19, points: 13, color: '#4a5a63' })));
  };

  Room.prototype.ink = function (pen, factor, text, x, y, points, style, color) {
    pen.font = (style ? style + ' ' : '') + points * factor + 'px ' + G.FONT;
    pen.fillStyle = color || G.INK;
    pen.fillText(text, x * factor, y * factor);
  };

  /** What the legend on paper tells: the theme, or the density when that is shown. */
  Room.prototype.paperTheme = function () {
    const heat = this.layer.show.heat && this.data.heat;
    if (!heat) return this.current();
    return { title: heat.legend.title, unit: heat.legend.unit, note: heat.legend.note, classes: heat.legend.rows, counts: [] };
  };

  Room.prototype.legendWidth = function () {
    const pen = brush();
    const theme = this.paperTheme();
    pen.font = '13.5px ' + G.FONT;
    const rows = theme.classes.concat(this.data.marks ? this.data.marks.kinds : []);
    const widest = Math.max.apply(null, rows.map((row) => pen.measureText(row.label).width));
    const unit = pen.measureText(this.underHeading()).width;
    pen.font = '700 16px ' + G.FONT;
    const head = pen.measureText(theme.title).width;
    const least = this.data.marks ? 260 : 190; // what is found is listed below
    return Math.ceil(Math.min(340, Math.max(least, widest + 34 + 60, head + 70, unit + 8)));
  };

  Room.prototype.heading = function () {
    return [this.paperTheme().title, this.underHeading()].filter(Boolean).join(' · ');
  };

  /** Unit and time of what is shown, which stand in a line of their own so that the map stays large. */
  Room.prototype.underHeading = function () {
    const theme = this.paperTheme();
    return [theme.unit, theme.periods ? this.timeOnPaper(theme) : ''].filter(Boolean).join(' · ');
  };

  Room.prototype.paperLegend = function (pen, factor, x, y, width) {
    const theme = this.paperTheme();
    this.ink(pen, factor, theme.title, x, y, 16, '700');
    if (!this.data.marks && theme.counts.length) this.amount(pen, factor, this.words.counts, x + width, y);
    const under = this.underHeading();
    if (under) this.ink(pen, factor, under, x, y += 22, 13, '', '#4a5a63');
    theme.classes.forEach((row, i) => {
      y += 25;
      this.swatch(pen, factor, row, theme.counts[i], x, y, width);
    });
    if (this.data.old && this.layer.show.old) {
      y += 25;
      pen.strokeStyle = '#b23b00';
      pen.lineWidth = 1.6 * factor;
      pen.setLineDash([5 * factor, 4 * factor]);
      pen.strokeRect(x * factor, y * factor, 26 * factor, 0);
      pen.setLineDash([]);
      this.ink(pen, factor, this.data.old.label, x + 34, y, 13.5);
    }
    if (this.data.marks) {
      this.data.marks.kinds.forEach((kind) => {
        y += 25;
        G.symbol(pen, (x + 13) * factor, y * factor, 7, kind, factor);
        this.ink(pen, factor, kind.label, x + 34, y, 13.5);
        this.amount(pen, factor, kind.count, x + width, y);
      });
    }
    y += 26;
    for (const line of wrap(pen, theme.note || '', width * factor, 12 * factor + 'px ')) {
      this.ink(pen, factor, line, x, y, 12, '', '#4a5a63');
      y += 18;
    }
    return y;
  };

  /** What was found, each in lines as wide as the legend: as many as there is room for. */
  Room.prototype.markList = function (room, width) {
    const lines = this.data.marks.texts.map((text) => wrap(brush(), text, width - 26, '12px '));
    const until = lines.findIndex((_, k) => 17 * lines.slice(0, k + 1).flat().length > room);
    return until < 0 ? lines : lines.slice(0, until);
  };

  /** Write the list below the legend, and how many it leaves to the table. */
  Room.prototype.paperList = function (pen, factor, x, y, list) {
    list.forEach((lines, k) => {
      this.ink(pen, factor, String(k + 1), x, y, 12, '700');
      lines.forEach((line) => {
        this.ink(pen, factor, line, x + 26, y, 12, '', '#4a5a63');
        y += 17;
      });
    });
    const left = this.data.marks && list.length ? this.data.marks.texts.length - list.length : 0;
    if (left) this.ink(pen, factor, '+' + number(left) + ' ' + this.words.rest, x, y, 12, '', '#4a5a63');
  };

  Room.prototype.amount = function (pen, factor, count, x, y) {
    if (count === undefined) return;
    pen.textAlign = 'right';
    this.ink(pen, factor, typeof count === 'number' ? number(count) : count, x, y, 13, '', '#4a5a63');
    pen.textAlign = 'left';
  };

  Room.prototype.swatch = function (pen, factor, row, count, x, y, width) {
    const box = [x * factor, (y - 8) * factor, 26 * factor, 16 * factor];
    pen.fillStyle = row.color;
    pen.fillRect.apply(pen, box);
    if (row.hatch) {
      pen.save();
      pen.beginPath();
      pen.rect.apply(pen, box);
      pen.clip();
      pen.strokeStyle = row.hatch;
      pen.lineWidth = factor;
      pen.beginPath();
      for (let from = x - 14; from < x + 30; from += 6) {
        pen.moveTo(from * factor, (y + 8) * factor);
        pen.lineTo((from + 16) * factor, (y - 8) * factor);
      }
      pen.stroke();
      pen.restore();
    }
    pen.lineWidth = factor;
    pen.strokeStyle = 'rgba(0,0,0,.4)';
    pen.strokeRect.apply(pen, box);
    this.ink(pen, factor, row.label, x + 34, y, 13.5);
    this.amount(pen, factor, count, x + width, y);
  };

  Room.prototype.scaleBar = function (still, factor, width, height) {
    const middle = (still.view.dy - height / 2) / still.view.scale;
    const metres = 1 / Math.cosh(middle / 6378137) / still.view.scale; // per pixel
    const most = 170 * factor * metres;
    const power = Math.pow(10, Math.floor(Math.log10(most)));
    const length = power * [5, 2, 1].find((k) => k * power <= most);
    const right = width - 36 * factor;
    const left = right - length / metres;
    const y = height - 16 * factor;
    const pen = still.pen;
    pen.fillStyle = 'rgba(255,255,255,.85)';
    pen.fillRect(left - 8 * factor, y - 22 * factor, right - left + 16 * factor, 27 * factor);
    pen.strokeStyle = G.INK;
    pen.lineWidth = 1.6 * factor;
    pen.beginPath();
    pen.moveTo(left, y - 6 * factor);
    pen.lineTo(left, y);
    pen.lineTo(right, y);
    pen.lineTo(right, y - 6 * factor);
    pen.stroke();
    pen.textAlign = 'center';
    const words = length >= 1000 ? length / 1000 + ' km' : length + ' m';
    this.ink(pen, factor, words, (left + right) / 2 / factor, y / factor - 10, 12);
    pen.textAlign = 'left';
  };

  Room.prototype.north = function (pen, factor, x, y) {
    pen.fillStyle = G.INK;
    pen.beginPath();
    pen.moveTo(x, y - 18 * factor);
    pen.lineTo(x + 7 * factor, y + 8 * factor);
    pen.lineTo(x, y + 2 * factor);
    pen.lineTo(x - 7 * factor, y + 8 * factor);
    pen.closePath();
    pen.fill();
    pen.textAlign = 'center';
    pen.font = '700 ' + 13 * factor + 'px ' + G.FONT;
    pen.fillText('N', x, y + 19 * factor);
    pen.textAlign = 'left';
  };

  function brush() {
    return make('canvas').getContext('2d');
  }

  /** Break a text into lines: at spaces where there are some, else between any two signs. */
  function wrap(pen, text, width, font) {
    pen.font = font + G.FONT;
    const pieces = (text.match(/[!-~]+\s*|[^!-~]/g) || [])
      .flatMap((piece) => pen.measureText(piece).width > width ? piece.split('') : [piece]);
    const lines = [];
    let line = '';
    for (const piece of pieces) {
      if (line && pen.measureText(line + piece).width > width) {
        lines.push(line);
        line = '';
      }
      line += piece;
    }
    return line ? lines.concat(line) : lines;
  }

  Room.prototype.savePicture = function () {
    const name = [this.options.title || this.data.title || 'gridmap', this.current().title].join('-');
    this.sheet(2400, 1350, 1.5, true).toBlob((blob) => {
      const link = make('a');
      link.href = URL.createObjectURL(blob);
      link.download = name.replace(/[\\/:*?"<>|]+/g, ' ') + '.png';
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  };

  /** Put a still picture where the live map stands; style sheets show it on paper only. */
  Room.prototype.preparePrint = function () {
    const size = this.options.printSize;
    const still = size ? this.sheet(size[0], size[1], size[2], false) : this.sheet(2200, 1500, 1.75, true);
    this.printed.src = still.toDataURL('image/png');
    this.printed.alt = this.heading();
  };

  /** Give a bare layer, on anybody's map, a tooltip and a legend that come and go with it. */
  function attach(layer) {
    const tip = L.tooltip({ sticky: true });
    const legend = L.control({ position: 'bottomleft' });
    const room = Object.assign(Object.create(Room.prototype), { data: layer.data, words: layer.data.words });
    legend.onAdd = () => {
      const box = make('div', 'gm-room gm-alone');
      room.legendBox = make('div', 'gm-legend');
      box.append(room.legendBox);
      room.legend(layer.theme);
      return box;
    };
    layer.on('add', () => layer.theme.title && legend.addTo(layer._map));
    layer.on('remove', () => {
      legend.remove();
      tip.remove();
    });
    layer.on('hover', (event) => {
      if (event.cell < 0 || !layer._map) {
        tip.remove();
        return;
      }
      const text = make('div', '', layer.data.name[event.cell]);
      if (layer.theme.title) {
        const [title, value] = room.told(layer.theme, event.cell)[0];
        text.append(make('br'), document.createTextNode(title + ': ' + value));
      }
      tip.setLatLng(event.latlng).setContent(text).addTo(layer._map);
    });
  }

  G.attach = attach;
  G.Room = Room;
  G.make = make;
  G.number = number;
})();
