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
    element.setAttribute('aria-label', title);
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
    this.layer = new G.Layer(data, { show: data.show }).addTo(map);
    this.period = -1;
    this.build();
    this.setTheme(data.theme || 0);
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
    if (this.data.themes.length > 1) left.append(this.tabs());
    left.append(this.toggles());
    right.append(this.search(), this.buttons());
    this.legendBox = make('div', 'gm-legend');
    this.cardBox = make('div', 'gm-card');
    this.cardBox.hidden = true;
    this.sliderBox = make('div', 'gm-slider');
    root.append(left, right, this.legendBox, this.cardBox, this.sliderBox);
    if (this.data.title && this.data.credit) root.append(make('div', 'gm-credit', this.data.credit));
    this.printed = make('img', 'gm-printed');
    this.printed.alt = '';
    const container = this.map.getContainer();
    container.append(root);
    container.parentNode.insertBefore(this.printed, container.nextSibling);
    L.DomEvent.disableClickPropagation(root);
    L.DomEvent.disableScrollPropagation(root);
    root.addEventListener('mousemove', (event) => event.target !== root && event.stopPropagation());
    L.control.scale({ imperial: false, position: 'bottomright', maxWidth: 110 }).addTo(this.map);
    this.narrow();
  };

  /** Small maps get a folded legend and shorter controls. */
  Room.prototype.narrow = function () {
    const size = this.map.getSize();
    this.root.classList.toggle('gm-small', size.x < 620);
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
    this.tabButtons = this.data.themes.map((theme, i) => {
      const tab = button('', theme.tab || theme.title, theme.title, () => this.setTheme(i));
      tab.setAttribute('role', 'tab');
      bar.append(tab);
      return tab;
    });
    return bar;
  };

  Room.prototype.toggles = function () {
    const words = this.words;
    const bar = make('div', 'gm-toggles');
    const wanted = [];
    if (this.data.levels.length) wanted.push(['levels', words.borders]);
    wanted.push(['labels', words.labels]);
    if (this.data.heat) wanted.push(['heat', words.density]);
    if (this.data.marks) wanted.push(['marks', words.marks]);
    if (this.data.old) wanted.push(['old', words.old]);
    wanted.forEach(([key, text]) => {
      const label = make('label');
      const box = make('input');
      box.type = 'checkbox';
      box.checked = Boolean(this.layer.show[key]);
      box.name = 'gm-' + key;
      box.addEventListener('change', () => {
        this.layer.show[key] = box.checked;
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
    this.map.fitBounds(this.layer.getBounds(), { padding: [12, 12], animate: false });
  };

  /* ---------- theme, legend, time ---------- */

  Room.prototype.setTheme = function (index) {
    this.themeIndex = index;
    const theme = this.data.themes[index];
    (this.tabButtons || []).forEach((tab, i) => {
      tab.classList.toggle('gm-on', i === index);
      tab.setAttribute('aria-selected', String(i === index));
    });
    this.slider(theme);
    this.legend(this.current());
    this.layer.setTheme(this.current());
  };

  /** The theme on show: the whole time, or one period of it. */
  Room.prototype.current = function () {
    const theme = this.data.themes[this.themeIndex];
    if (!theme.periods || this.period < 0) return theme;
    return Object.assign({}, theme, theme.periods[this.period]);
  };

  Room.prototype.legend = function (theme) {
    const box = this.legendBox;
    const most = Math.max(1, Math.max.apply(null, theme.counts));
    box.textContent = '';
    const head = make('div', 'gm-legend-head');
    head.append(make('b', '', theme.title));
    if (theme.unit) head.append(make('span', '', theme.unit));
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
      const bar = make('s');
      bar.style.width = Math.round(40 * theme.counts[i] / most) + 'px';
      const count = make('em', '', number(theme.counts[i]));
      line.append(swatch, make('span', '', row.label), bar, count);
      table.append(line);
    });
    box.append(table);
    if (this.data.marks) box.append(this.markLegend());
    if (theme.note) box.append(make('p', '', theme.note));
  };

  Room.prototype.markLegend = function () {
    const table = make('div', 'gm-legend-rows gm-legend-marks');
    this.data.marks.kinds.forEach((kind) => {
      const line = make('div', 'gm-legend-row');
      const ring = make('i', 'gm-ring');
      ring.style.borderColor = kind.color;
      line.append(ring, make('span', '', kind.label), make('s'), make('em', '', number(kind.count)));
      table.append(line);
    });
    return table;
  };

  Room.prototype.slider = function (theme) {
    const box = this.sliderBox;
    box.textContent = '';
    this.stop();
    box.hidden = !theme.periods;
    this.root.classList.toggle('gm-timed', Boolean(theme.periods));
    if (!theme.periods) return;
    const range = make('input');
    range.type = 'range';
    range.min = theme.wholeTime ? -1 : 0;
    range.max = theme.periods.length - 1;
    if (this.period >= theme.periods.length || (!theme.wholeTime && this.period < 0)) {
      this.period = theme.wholeTime ? -1 : theme.periods.length - 1;
    }
    range.value = this.period;
    range.setAttribute('aria-label', this.words.time);
    const text = make('output', '', this.periodText(theme));
    range.addEventListener('input', () => {
      this.period = Number(range.value);
      text.textContent = this.periodText(theme);
      this.legend(this.current());
      this.layer.setTheme(this.current());
    });
    const play = button('gm-play', '▶', this.words.play, () => this.play(range, play));
    box.append(play, range, text);
  };

  Room.prototype.periodText = function (theme) {
    return this.period < 0 ? this.words.wholeTime : theme.periods[this.period].label;
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

  Room.prototype.card = function (cell) {
    const box = this.cardBox;
    box.hidden = cell < 0;
    if (cell < 0) return;
    box.textContent = '';
    const data = this.data;
    box.append(make('b', '', data.name[cell] || data.code[cell]));
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
    const theme = this.current();
    row(theme.title, theme.classes[theme.of[cell]].label);
    box.append(table);
  };

  /* ---------- search ---------- */

  Room.prototype.search = function () {
    const box = make('div', 'gm-search');
    const input = make('input');
    input.type = 'search';
    input.placeholder = this.words.search;
    input.setAttribute('aria-label', this.words.search);
    const list = make('div', 'gm-found');
    list.hidden = true;
    let found = [];
    let at = 0;
    const go = (k) => {
      if (!found[k]) return;
      this.choose(found[k].cells, true);
      input.value = found[k].name;
      list.hidden = true;
    };
    const show = () => {
      list.textContent = '';
      list.hidden = !input.value.trim();
      found.forEach((one, k) => {
        const line = button(k === at ? 'gm-at' : '', '', one.name, () => go(k));
        line.append(make('span', '', one.name), make('small', '', one.hint));
        list.append(line);
      });
      if (!found.length) list.append(make('p', '', this.words.nothing));
    };
    input.addEventListener('input', () => {
      found = this.find(input.value.trim());
      at = 0;
      show();
    });
    input.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') go(at);
      else if (event.key === 'Escape') list.hidden = true;
      else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        at = (at + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % Math.max(1, found.length);
        show();
        event.preventDefault();
      }
    });
    box.append(input, list);
    return box;
  };

  /** Find places first, then cells, by a part of the name or code. */
  Room.prototype.find = function (text) {
    const wanted = text.toLowerCase();
    const found = [];
    if (!wanted) return found;
    this.data.levels.forEach((level) => level.names.forEach((name, k) => {
      if (found.length < 4 && name.toLowerCase().includes(wanted)) {
        found.push({ name: name, hint: level.title, cells: this.cellsOf(level, k) });
      }
    }));
    for (let i = 0; i < this.data.code.length && found.length < 8; i++) {
      const code = this.data.code[i];
      if (code.toLowerCase().includes(wanted) || this.data.name[i].toLowerCase().includes(wanted)) {
        found.push({ name: this.data.name[i] || code, hint: this.data.name[i] === code ? '' : code, cells: [i] });
      }
    }
    return found;
  };

  Room.prototype.cellsOf = function (level, place) {
    const cells = [];
    level.of.forEach((value, cell) => {
      if (value === place) cells.push(cell);
    });
    return cells;
  };

  /* ---------- pictures: always from an off-screen render, never from the screen ---------- */

  /** Paint the whole map into a new canvas of a fixed size. */
  Room.prototype.still = function (width, height, factor, room) {
    const canvas = make('canvas');
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext('2d');
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, width, height);
    const inset = Object.assign({ left: 14, right: 14, top: 14, bottom: 14 }, room);
    const box = G.boxOf(this.data.shape, G.all(this.data.shape));
    const wide = width - (inset.left + inset.right) * factor;
    const high = height - (inset.top + inset.bottom) * factor;
    const scale = Math.min(wide / (box[2] - box[0]), high / (box[3] - box[1]));
    const view = {
      scale: scale,
      dx: inset.left * factor + wide / 2 - (box[0] + box[2]) / 2 * scale,
      dy: inset.top * factor + high / 2 + (box[1] + box[3]) / 2 * scale,
      width: width, height: height, factor: factor,
    };
    this.layer.painter.paint(pen, view, this.current(), this.layer.show);
    return { canvas: canvas, pen: pen, view: view };
  };

  /** A picture for slides: title, map, legend, scale bar, north and credit on one sheet. */
  Room.prototype.poster = function (width, height, factor) {
    const still = this.still(width, height, factor, { left: 330, right: 30, top: 84, bottom: 40 });
    const pen = still.pen;
    const theme = this.current();
    const period = theme.periods ? this.periodText(theme) : '';
    const text = (value, x, y, points, style, color) => {
      pen.font = (style ? style + ' ' : '') + points * factor + 'px ' + G.FONT;
      pen.fillStyle = color || G.INK;
      pen.fillText(value, x * factor, y * factor);
    };
    pen.textAlign = 'left';
    pen.textBaseline = 'middle';
    pen.fillStyle = '#8e1b1b';
    pen.fillRect(28 * factor, 66 * factor, width - 56 * factor, 2.5 * factor);
    text(this.options.title || this.data.title || '', 28, 38, 25, '700');
    text([theme.title, theme.unit, period].filter(Boolean).join(' · '), 28, 100, 16, '700');
    theme.classes.forEach((row, i) => this.swatch(pen, factor, row, theme.counts[i], 126 + 25 * i, text));
    let y = 126 + 25 * theme.classes.length + 6;
    if (this.data.marks) {
      this.data.marks.kinds.forEach((kind) => {
        pen.beginPath();
        pen.arc(40 * factor, y * factor, 7 * factor, 0, 7);
        pen.lineWidth = 2.5 * factor;
        pen.strokeStyle = kind.color;
        pen.stroke();
        text(kind.label + '  ' + number(kind.count), 62, y, 13);
        y += 24;
      });
    }
    for (const line of wrap(pen, theme.note || '', 270 * factor, 12 * factor)) {
      text(line, 28, y, 12, '', '#4a5a63');
      y += 18;
    }
    this.scaleBar(still, factor, width, height, text);
    text(this.data.credit || '', 28, height / factor - 20, 11.5, '', '#4a5a63');
    return still.canvas;
  };

  Room.prototype.swatch = function (pen, factor, row, count, y, text) {
    pen.fillStyle = row.color;
    pen.fillRect(28 * factor, (y - 8) * factor, 26 * factor, 16 * factor);
    pen.lineWidth = factor;
    pen.strokeStyle = 'rgba(0,0,0,.35)';
    pen.strokeRect(28 * factor, (y - 8) * factor, 26 * factor, 16 * factor);
    if (row.hatch) {
      pen.save();
      pen.beginPath();
      pen.rect(28 * factor, (y - 8) * factor, 26 * factor, 16 * factor);
      pen.clip();
      pen.strokeStyle = row.hatch;
      pen.beginPath();
      for (let x = 14; x < 60; x += 6) {
        pen.moveTo(x * factor, (y + 8) * factor);
        pen.lineTo((x + 16) * factor, (y - 8) * factor);
      }
      pen.stroke();
      pen.restore();
    }
    text(row.label, 62, y, 13.5);
    pen.textAlign = 'right';
    text(number(count), 300, y, 13, '', '#4a5a63');
    pen.textAlign = 'left';
  };

  Room.prototype.scaleBar = function (still, factor, width, height, text) {
    const middle = (still.view.dy - height / 2) / still.view.scale;
    const metres = Math.cos(Math.atan(Math.sinh(middle / 6378137))) / still.view.scale; // per pixel
    const most = 170 * factor * metres;
    const power = Math.pow(10, Math.floor(Math.log10(most)));
    const length = power * [5, 2, 1].find((k) => k * power <= most);
    const long = length / metres;
    const right = width - 36 * factor;
    const y = height - 22 * factor;
    const pen = still.pen;
    pen.strokeStyle = G.INK;
    pen.lineWidth = 1.6 * factor;
    pen.beginPath();
    pen.moveTo(right - long, y - 6 * factor);
    pen.lineTo(right - long, y);
    pen.lineTo(right, y);
    pen.lineTo(right, y - 6 * factor);
    pen.stroke();
    pen.textAlign = 'center';
    text(length >= 1000 ? length / 1000 + ' km' : length + ' m', (right - long / 2) / factor, y / factor - 9, 12);
    pen.textAlign = 'left';
    this.north(pen, factor, right - 12 * factor, 108 * factor);
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

  /** Break a text into lines: at spaces where there are some, else between any two signs. */
  function wrap(pen, text, width, points) {
    pen.font = points + 'px ' + G.FONT;
    const pieces = text.match(/[!-~]+\s*|[^!-~]/g) || [];
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
    this.poster(2400, 1350, 1.5).toBlob((blob) => {
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
    const still = this.options.printSize
      ? this.still(this.options.printSize[0], this.options.printSize[1], 1.9,
        this.options.printInset).canvas
      : this.poster(2200, 1520, 1.5);
    this.printed.src = still.toDataURL('image/png');
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
      const row = layer.theme.classes[layer.theme.of[event.cell]];
      if (layer.theme.title) text.append(make('br'), document.createTextNode(layer.theme.title + ': ' + row.label));
      tip.setLatLng(event.latlng).setContent(text).addTo(layer._map);
    });
  }

  G.attach = attach;
  G.Room = Room;
  G.make = make;
  G.number = number;
})();
