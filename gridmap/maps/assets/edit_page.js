/* The page on which a planner redraws cells: a canvas, a panel and a handful of tools. */
import { Plan, Index, eachUse, unpack } from './edit_engine.js';
import { searchBox, searchable } from './search.js';

const FILLS = ['#dfe8d3', '#d5ddee', '#ecded2', '#d6e8e5', '#e9d9e6', '#efe5c8', '#e0dcf0'];
const RESERVED = '#e4e6e8';
const INK = '#1f2d33', THIN = '#566870', TARGET = '#b26a00', PICKED = '#1b5e8c', WRONG = '#b3261e';
const TALL = 7; // half the height of a number on the map
const FONT = '"Microsoft YaHei","PingFang SC","Noto Sans CJK SC","Source Han Sans SC",' +
  '"WenQuanYi Micro Hei","Helvetica Neue",Arial,sans-serif';
const TOOLS = ['brush', 'lasso', 'merge', 'split', 'lock'];
const KEYS = { b: 'brush', l: 'lasso', m: 'merge', d: 'split', k: 'lock' };
const ROWS = 40;
const FEW = 3; // exceptions that are shown without being asked for

/* ---------- drawing ---------- */

class Painter {
  constructor(plan, canvas) {
    this.plan = plan;
    this.canvas = canvas;
    this.pen = canvas.getContext('2d', { alpha: false });
    this.colours = [];
    this.spots = [];
    this.index = plan.index ||= new Index(plan.shape);
    plan.cells.forEach((_, at) => this.colour(at));
  }

  /** Give a cell a colour that none of its neighbours has. */
  colour(at) {
    if (this.plan.dedicated(at)) return RESERVED;
    if (this.colours[at] === undefined) {
      const taken = new Set();
      for (const unit of this.plan.cells[at].units) {
        eachUse(this.plan.shape, unit, (use) => {
          const { left, right } = this.plan.shape;
          const other = use & 1 ? left[use >> 1] : right[use >> 1];
          if (other >= 0) taken.add(this.colours[this.plan.cell[other]]);
        });
      }
      const free = FILLS.findIndex((_, k) => !taken.has((k + at * 3) % FILLS.length));
      this.colours[at] = ((free < 0 ? 0 : free) + at * 3) % FILLS.length;
    }
    return FILLS[this.colours[at]];
  }

  /** Show a box; the strip of the legend at the foot is left free. */
  fit([west, south, east, north], share = 0.92) {
    const width = this.width, height = Math.max(this.height - (this.foot || 0), 50);
    this.look((west + east) / 2, (south + north) / 2,
      share * Math.min(width / Math.max(east - west, 1), height / Math.max(north - south, 1)));
    this.y -= (this.height - height) / 2 / this.scale;
  }

  look(x, y, scale) {
    this.x = x;
    this.y = y;
    this.scale = Math.min(Math.max(scale, 1e-4), 50);
    this.flat = null;
  }

  resize(width, height, factor) {
    this.width = width;
    this.height = height;
    this.factor = factor;
    this.canvas.width = Math.round(width * factor);
    this.canvas.height = Math.round(height * factor);
    this.pen.font = `13px ${FONT}`; // each setting of it styles the page anew
    this.flat = null;
  }

  px(x) { return (x - this.x) * this.scale + this.width / 2; }
  py(y) { return (this.y - y) * this.scale + this.height / 2; }
  wx(px) { return (px - this.width / 2) / this.scale + this.x; }
  wy(py) { return this.y - (py - this.height / 2) / this.scale; }

  /** Project all arcs once a view, dropping vertices nearer than a pixel; ends always stay. */
  project() {
    if (this.flat) return this.flat;
    const { X, Y, start, arcs } = this.plan.shape;
    const x = new Float32Array(X.length), y = new Float32Array(X.length);
    const from = new Uint32Array(arcs), to = new Uint32Array(arcs);
    for (let arc = 0; arc < arcs; arc++) {
      let kept = from[arc] = start[arc], qx = Infinity, qy = Infinity;
      const last = start[arc + 1] - 1;
      for (let v = start[arc]; v <= last; v++) {
        const vx = this.px(X[v]), vy = this.py(Y[v]);
        if (v === last || Math.abs(vx - qx) + Math.abs(vy - qy) > 1) {
          x[kept] = qx = vx;
          y[kept++] = qy = vy;
        }
      }
      to[arc] = kept;
    }
    return (this.flat = { x, y, from, to });
  }

  trace(pen, unit) {
    const { rings, ringUses, uses } = this.plan.shape;
    const { x, y, from, to } = this.project();
    for (let ring = rings[unit]; ring < rings[unit + 1]; ring++) {
      let first = true;
      for (let at = ringUses[ring]; at < ringUses[ring + 1]; at++) {
        const arc = uses[at] >> 1;
        const back = uses[at] & 1;
        for (let k = from[arc]; k < to[arc]; k++) {
          const v = back ? to[arc] - 1 - (k - from[arc]) : k;
          if (first) { pen.moveTo(x[v], y[v]); first = false; } else if (k > from[arc]) pen.lineTo(x[v], y[v]);
        }
      }
      pen.closePath();
    }
  }

  line(pen, arc) {
    const { x, y, from, to } = this.project();
    pen.moveTo(x[from[arc]], y[from[arc]]);
    for (let v = from[arc] + 1; v < to[arc]; v++) pen.lineTo(x[v], y[v]);
  }

  /** Draw all that is in view. */
  all() {
    const units = this.index.inside(this.wx(0), this.wy(this.height), this.wx(this.width), this.wy(0));
    this.draw(units, 0, 0, this.width, this.height);
  }

  /** Draw anew only the ground of cells that changed: what one lost, another of them gained. */
  part(cells) {
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
    for (const box of cells.map((at) => this.box(at))) {
      west = Math.min(west, box[0]);
      south = Math.min(south, box[1]);
      east = Math.max(east, box[2]);
      north = Math.max(north, box[3]);
    }
    if (west > east) return;
    const pad = 22;
    const x0 = Math.max(0, Math.floor(this.px(west)) - pad), x1 = Math.min(this.width, Math.ceil(this.px(east)) + pad);
    const y0 = Math.max(0, Math.floor(this.py(north)) - pad), y1 = Math.min(this.height, Math.ceil(this.py(south)) + pad);
    if (x0 >= x1 || y0 >= y1) return;
    const units = this.index.inside(this.wx(x0), this.wy(y1), this.wx(x1), this.wy(y0));
    this.draw(units, x0, y0, x1 - x0, y1 - y0);
  }

  draw(units, x, y, width, height) {
    const pen = this.pen;
    pen.setTransform(this.factor, 0, 0, this.factor, 0, 0);
    pen.save();
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.fillStyle = '#f7f7f5';
    pen.fillRect(x, y, width, height);
    this.fills(pen, units);
    this.borders(pen, units);
    this.others(pen);
    this.labels(pen, units);
    this.measure(pen);
    pen.restore();
  }

  /** Draw an arrow to the north and a bar of a round length, in the corner at the top. */
  measure(pen) {
    const metres = this.plan.data.metres / this.scale; // per pixel
    const most = Math.min(90, this.width / 6) * metres;
    const power = 10 ** Math.floor(Math.log10(most));
    const length = power * [5, 2, 1].find((k) => k * power <= most);
    const right = this.width - 16, left = right - length / metres;
    pen.lineJoin = 'miter';
    const words = length < 1000 ? `${length} m` : `${length / 1000} km`;
    for (const [ink, wide] of [['rgba(255,255,255,.9)', 4.5], [INK, 1.6]]) {
      pen.fillStyle = pen.strokeStyle = ink;
      pen.lineWidth = wide;
      pen.beginPath();
      for (const [x, y] of [[0, -14], [6, 6], [0, 2], [-6, 6]]) pen.lineTo(right - 8 + x, 26 + y);
      pen.fill();
      pen.beginPath();
      for (const [x, y] of [[left, 66], [left, 72], [right, 72], [right, 66]]) pen.lineTo(x, y);
      pen.stroke();
      if (ink !== INK) for (const [text, x, y] of [['N', right - 8, 42], [words, (left + right) / 2, 60]]) pen.strokeText(text, x, y);
    }
    pen.fillText('N', right - 8, 42);
    pen.fillText(words, (left + right) / 2, 60);
  }

  /** Fill cell by cell: no seam within one, and no path so long that the browser chokes on it. */
  fills(pen, units) {
    const groups = new Map();
    for (const unit of units) {
      const at = this.plan.cell[unit];
      if (!groups.has(at)) groups.set(at, []);
      groups.get(at).push(unit);
    }
    for (const [at, members] of groups) {
      pen.beginPath();
      for (const unit of members) this.trace(pen, unit);
      pen.fillStyle = this.colour(at);
      pen.fill('nonzero');
    }
  }

  borders(pen, units) {
    const { left, right } = this.plan.shape;
    const { cell, parent } = this.plan;
    const kinds = [[], [], []];
    const fine = this.unitPixels() > 7;
    for (const unit of units) {
      eachUse(this.plan.shape, unit, (use) => {
        const arc = use >> 1, a = left[arc], b = right[arc];
        if (use & 1 && a >= 0 && units.has(a)) return; // drawn from its left side
        if (a < 0 || b < 0 || parent[a] !== parent[b]) kinds[2].push(arc);
        else if (cell[a] !== cell[b]) kinds[1].push(arc);
        else if (fine) kinds[0].push(arc);
      });
    }
    pen.lineJoin = pen.lineCap = this.unitPixels() > 7 ? 'round' : 'butt';
    if (pen.lineCap === 'butt') pen.lineJoin = 'bevel';
    const wide = Math.min(1, 0.35 + this.unitPixels() / 40);
    [['rgba(255,255,255,.95)', 1], [THIN, 1.1 * wide + 0.2], [INK, 2.3 * wide]].forEach(([colour, width], kind) => {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      for (let at = 0; at < kinds[kind].length; at += 200) {
        pen.beginPath();
        for (const arc of kinds[kind].slice(at, at + 200)) this.line(pen, arc);
        pen.stroke();
      }
    });
  }

  unitPixels() {
    if (!this.side) {
      const { area, count } = this.plan.shape;
      this.side = Math.sqrt([...area].sort((a, b) => a - b)[count >> 1] || 1);
    }
    return this.side * this.scale;
  }

  /** Draw the borders of alternatives, dashed. */
  others(pen) {
    for (const other of this.shown || []) {
      pen.beginPath();
      const { X, Y, start, arcs } = other.shape;
      for (let arc = 0; arc < arcs; arc++) {
        for (let v = start[arc]; v < start[arc + 1]; v++) {
          const [x, y] = [this.px(X[v]), this.py(Y[v])];
          if (v === start[arc]) pen.moveTo(x, y); else pen.lineTo(x, y);
        }
      }
      pen.setLineDash([6, 4]);
      pen.strokeStyle = other.colour;
      pen.lineWidth = 1.8;
      pen.stroke();
      pen.setLineDash([]);
    }
  }

  /** Find a place well inside a cell: its middle, or that of the unit nearest to it. */
  spot(at) {
    const cell = this.plan.cells[at];
    if (!this.spots[at]) {
      const { x, y, area } = this.plan.shape;
      let mx = 0, my = 0, whole = 0;
      for (const unit of cell.units) { mx += x[unit] * area[unit]; my += y[unit] * area[unit]; whole += area[unit]; }
      mx /= whole || 1;
      my /= whole || 1;
      const holder = this.index.at(mx, my);
      if (holder < 0 || this.plan.cell[holder] !== at) {
        let best = Infinity, spot = [mx, my];
        for (const unit of cell.units) {
          const far = (x[unit] - mx) ** 2 + (y[unit] - my) ** 2;
          if (far < best) { best = far; spot = [x[unit], y[unit]]; }
        }
        [mx, my] = spot;
      }
      this.spots[at] = [mx, my];
    }
    return this.spots[at];
  }

  /** Write households where they fit in their cell; those out of the band are written anyway. */
  labels(pen, units) {
    const cells = new Set();
    for (const unit of units) cells.add(this.plan.cell[unit]);
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.lineJoin = 'round';
    const found = [...cells].filter((at) => this.labelled(at)).map((at) => this.text(pen, at));
    const wrong = found.filter((one) => one.wrong);
    const free = (one) => this.fits(one) && !wrong.some((other) => collide(one, other));
    for (const one of [...found.filter((each) => !each.wrong && free(each)), ...wrong]) {
      pen.strokeStyle = 'rgba(255,255,255,.9)';
      pen.lineWidth = 3.5;
      pen.strokeText(one.text, one.x, one.y);
      pen.fillStyle = one.wrong ? WRONG : INK;
      pen.fillText(one.text, one.x, one.y);
      if (one.wrong) pen.fillRect(one.x - one.half, one.y + 7, 2 * one.half, 1.5); // told in grey too
    }
  }

  labelled(at) {
    const cell = this.plan.cells[at];
    return Math.sqrt(cell.area) * this.scale >= 30 && (cell.homes > 0 || !this.plan.dedicated(at));
  }

  text(pen, at) {
    const cell = this.plan.cells[at];
    const [x, y] = this.spot(at);
    const text = String(cell.homes) + (cell.locked ? ` ${this.plan.data.words.lockMark}` : '');
    return { at, text, x: this.px(x), y: this.py(y), half: pen.measureText(text).width / 2 + 1,
      wrong: !this.plan.inBand(at) };
  }

  /** Tell whether the four corners of a text lie in its cell. */
  fits({ at, x, y, half }) {
    return [[-1, -1], [1, -1], [1, 1], [-1, 1]].every(([a, b]) => {
      const unit = this.plan.unitAt(this.wx(x + a * half), this.wy(y + b * TALL));
      return unit >= 0 && this.plan.cell[unit] === at;
    });
  }

  box(at) {
    const { box } = this.plan.shape;
    const found = [Infinity, Infinity, -Infinity, -Infinity];
    for (const unit of this.plan.cells[at].units) {
      for (const k of [0, 1]) {
        found[k] = Math.min(found[k], box[4 * unit + k]);
        found[k + 2] = Math.max(found[k + 2], box[4 * unit + k + 2]);
      }
    }
    return found;
  }

  unitBox(unit) { return [...this.plan.shape.box.subarray(4 * unit, 4 * unit + 4)]; }

  /** Stroke the outline of a set of units. */
  outline(pen, has, units, colour, width, dash = []) {
    const { left, right } = this.plan.shape;
    pen.beginPath();
    for (const unit of units) {
      eachUse(this.plan.shape, unit, (use) => {
        const other = use & 1 ? left[use >> 1] : right[use >> 1];
        if (other < 0 || !has(other)) this.line(pen, use >> 1);
      });
    }
    pen.setLineDash(dash);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.lineJoin = 'round';
    pen.stroke();
    pen.setLineDash([]);
  }
}

/* ---------- the page ---------- */

/** Put the editor into an element. `host` may have saved(document), changed(document), keys. */
export function mount(root, data, host = {}) {
  return new Editor(root, data, host);
}

class Editor {
  constructor(root, data, host) {
    this.root = root;
    this.data = data;
    this.host = host;
    this.words = data.words;
    const begun = performance.now();
    this.plan = new Plan(data);
    this.took = { plan: performance.now() - begun };
    this.tool = 'brush';
    this.active = -1;
    this.chosen = new Set();
    this.marked = [];
    this.cursor = -1;
    this.hover = null;
    this.pointers = new Map();
    this.build();
    this.painter = new Painter(this.plan, this.find('map'));
    this.ink = this.find('ink').getContext('2d');
    this.listen();
    this.resize();
    const ready = performance.now();
    this.painter.fit(this.plan.extent());
    this.refresh(true);
    this.took.draw = performance.now() - ready;
    if (host.keys) this.follow();
  }

  /** Open at the cell that the address names: a report leads to plan.html#CODE. */
  follow() {
    const code = decoded(location.hash.slice(1));
    const at = code ? this.plan.cells.findIndex((cell, k) => this.plan.lives(k) && cell.code === code) : -1;
    if (at >= 0) this.act('goto', at);
  }

  say(key, values = {}) {
    return this.words[key].replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g,
      (_, name, one, many) => (many === undefined ? values[name] ?? '' : values[name] === 1 ? one : many));
  }

  find(name) { return this.root.querySelector(`[data-part="${name}"]`); }

  build() {
    const { root } = this;
    root.classList.add('gm-edit');
    root.tabIndex = 0;
    const button = (name, extra = '') => `<button type="button" data-do="${name}"${extra}></button>`;
    root.innerHTML = `<header><h1 data-part="title"></h1><p data-part="subtitle"></p><nav>
      ${TOOLS.map((tool) => button(tool, ' aria-pressed="false"')).join('')}
      ${['undo', 'redo', 'open', 'save'].map((name) => button(name)).join('')}</nav></header>
      <main><div class="stage"><canvas data-part="map"></canvas>
      <canvas data-part="ink" role="img"></canvas>
      <div class="hint" data-part="hint" aria-live="polite" hidden></div>
      <div class="legend" data-part="legend"></div>
      <div class="zoom">${['closer', 'farther', 'whole'].map((name) => button(name)).join('')}</div></div>
      <aside><section class="sums" data-part="sums">
      ${['touched', 'moved', 'compact'].map((name) => `<div class="tile" data-sum="${name}"><span></span><b></b><small></small></div>`).join('')}</section>
      <h2 data-part="todo-title"></h2><ul class="todo" data-part="todo"></ul>
      <details data-part="standing"><summary data-part="standing-title"></summary><ul class="standing" data-part="standing-list"></ul></details>
      <h2 data-part="list-title"></h2><table class="heads" data-part="heads"></table><table data-part="list"></table>
      <p class="foot" data-part="foot"></p></aside></main>
      <dialog data-part="dialog"><form method="dialog"><label data-part="ask"></label>
      <input data-part="answer" autocomplete="off"><menu>${button('cancel')}
      <button type="submit" value="ok" data-do="accept"></button></menu></form></dialog>
      <input type="file" data-part="file" accept=".json,application/json" hidden>`;
    const text = { title: this.data.title, subtitle: this.data.subtitle, 'list-title': this.say('cells'),
      foot: this.say('foot') };
    for (const [name, words] of Object.entries(text)) this.find(name).textContent = words;
    this.find('heads').append(this.heads());
    root.querySelectorAll('[data-sum]').forEach((tile) => { tile.firstChild.textContent = this.say(tile.dataset.sum); });
    root.querySelectorAll('[data-do]').forEach((one) => {
      one.textContent = this.say(one.dataset.do);
      const tip = this.words[`${one.dataset.do}Tip`];
      if (tip) one.title = tip;
    });
    this.find('ink').setAttribute('aria-label', this.say('canvas'));
    root.querySelector('aside').prepend(this.search());
    this.legend();
  }

  /** Search leads to a cell, or marks the units of an area, a compound, a building or an address. */
  search() {
    const { data } = this;
    const words = { ...this.words, searchLeft: data.places.left };
    const cells = () => {
      const living = this.plan.cells.map((_, at) => at).filter((at) => this.plan.lives(at));
      return { at: living, code: living.map((at) => this.plan.cells[at].code), name: living.map((at) => this.name(at)) };
    };
    let now;
    const list = () => searchable(data.levels, data.places, (now = cells()));
    return searchBox(words, list, {
      go: (one) => {
        if (one.group === 'cell') return this.act('goto', now.at[one.at.cells()[0]]);
        const units = one.at.spots || one.at.cells().flatMap((at) => [...this.plan.cells[at].units]);
        return this.mark(units);
      },
      clear: () => this.mark([]),
    });
  }

  mark(units) {
    this.marked = units;
    if (!units.length) return this.sketch();
    const cells = new Set(units.map((unit) => this.plan.cell[unit]));
    const boxes = cells.size === 1 ? [...cells].map((at) => this.painter.box(at)) : units.map((unit) => this.painter.unitBox(unit));
    const edge = (k, pick) => boxes.reduce((far, box) => pick(far, box[k]), boxes[0][k]);
    this.painter.fit([edge(0, Math.min), edge(1, Math.min), edge(2, Math.max), edge(3, Math.max)], 0.45);
    if (cells.size === 1) this.describe([...cells][0]);
    return this.paint();
  }

  legend() {
    const lines = [this.data.bands ? this.say('legendBands') : this.say('legendNumbers', this.span()), this.say('legendFrames'),
      this.say('legendColours')];
    this.find('legend').replaceChildren(...lines.map((line) => node('div', line)));
    (this.data.others || []).forEach((other, at) => {
      const label = node('label', '');
      label.append(node('span', other.label));
      const box = node('input');
      box.type = 'checkbox';
      label.prepend(box);
      label.style.color = OTHER[at % OTHER.length];
      box.addEventListener('change', () => this.compare());
      this.find('legend').append(label);
    });
  }

  compare() {
    const boxes = [...this.find('legend').querySelectorAll('input')];
    this.shapes ||= (this.data.others || []).map((other, at) => ({
      shape: unpack(other.geometry), colour: OTHER[at % OTHER.length] }));
    this.painter.shown = this.shapes.filter((_, at) => boxes[at].checked);
    this.paint();
  }

  span(at) {
    const [low, high] = at === undefined ? this.data.band : this.plan.band(at);
    return { low, high };
  }

  listen() {
    const { root } = this;
    root.addEventListener('click', (event) => {
      const act = event.target.closest('[data-do]');
      if (act && root.contains(act)) this.act(act.dataset.do, Number(act.dataset.cell ?? -1));
    });
    const ink = this.find('ink');
    ink.addEventListener('pointerdown', (event) => this.press(event));
    ink.addEventListener('pointermove', (event) => this.drag(event));
    ink.addEventListener('pointerup', (event) => this.lift(event));
    ink.addEventListener('pointercancel', (event) => this.lift(event));
    ink.addEventListener('pointerleave', () => { if (!this.pointers.size) this.aim(-1); });
    ink.addEventListener('dblclick', () => this.finishLine());
    ink.addEventListener('contextmenu', (event) => event.preventDefault());
    ink.addEventListener('wheel', (event) => {
      event.preventDefault();
      const [x, y] = this.at(event);
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
    }, { passive: false });
    (this.host.keys || root).addEventListener('keydown', (event) => this.key(event));
    this.find('file').addEventListener('change', async (event) => {
      const file = event.target.files[0];
      event.target.value = '';
      if (file) this.open(await file.text());
    });
    new ResizeObserver(() => {
      const hidden = this.painter.width <= 50; // not on the screen until now
      this.resize();
      if (hidden) this.painter.fit(this.plan.extent());
      this.paint();
    }).observe(root.querySelector('.stage'));
    if (this.host.keys) {
      addEventListener('hashchange', () => this.follow());
      addEventListener('beforeprint', () => this.panel(Infinity));
      addEventListener('afterprint', () => this.panel());
      addEventListener('beforeunload', (event) => { if (this.plan.done.length !== this.kept) event.preventDefault(); });
    }
    this.kept = 0;
  }

  resize() {
    const box = sizeOf(this.root.querySelector('.stage'));
    const factor = Math.min(globalThis.devicePixelRatio || 1, 2);
    const before = this.painter.width;
    this.painter.foot = this.find('legend').offsetHeight + 16;
    this.painter.resize(box.width, box.height, factor);
    const ink = this.find('ink');
    ink.width = Math.round(box.width * factor);
    ink.height = Math.round(box.height * factor);
    if (before === undefined) this.painter.look(0, 0, 1);
  }

  /* ----- pointer ----- */

  /** Find where on the map an event is; the map is asked for its place once a stroke. */
  at(event) {
    if (!this.frame || !this.pointers.size) this.frame = this.find('ink').getBoundingClientRect();
    return [event.clientX - this.frame.left, event.clientY - this.frame.top];
  }

  unitAt([x, y]) { return this.plan.unitAt(this.painter.wx(x), this.painter.wy(y)); }

  press(event) {
    this.find('ink').setPointerCapture(event.pointerId);
    const spot = this.at(event);
    this.pointers.set(event.pointerId, spot);
    this.root.focus({ preventScroll: true });
    const unit = this.unitAt(spot);
    if (this.pointers.size > 1) return this.pinch();
    if (event.button > 0 || this.panning || (unit < 0 && this.tool !== 'lasso' && this.tool !== 'split')) {
      this.drawing = 'pan';
    } else if (this.tool === 'brush') {
      this.drawing = 'brush';
      this.plan.hold('brush');
      if (event.ctrlKey || event.metaKey || this.active < 0) this.choose(this.plan.cell[unit]);
      else this.dab(unit);
    } else if (this.tool === 'lasso' || this.tool === 'split') {
      if (this.tool === 'split' && this.path) { this.path.push(spot); this.drawing = 'split'; }
      else { this.drawing = this.tool; this.path = [spot]; }
    } else if (unit >= 0) this.pick(this.plan.cell[unit]);
    return undefined;
  }

  /** Two fingers move and zoom the map; what one finger had begun is given up. */
  pinch() {
    this.drawing = 'pinch';
    this.path = null;
    this.plan.release();
    const [a, b] = [...this.pointers.values()];
    this.fingers = { far: Math.hypot(a[0] - b[0], a[1] - b[1]), x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
  }

  drag(event) {
    const spot = this.at(event);
    const before = this.pointers.get(event.pointerId);
    if (before) this.pointers.set(event.pointerId, spot);
    if (this.drawing === 'pinch' && this.pointers.size > 1) {
      const was = this.fingers;
      this.pinch();
      this.painter.look(this.painter.x - (this.fingers.x - was.x) / this.painter.scale,
        this.painter.y + (this.fingers.y - was.y) / this.painter.scale, this.painter.scale);
      return this.zoom(this.fingers.far / (was.far || 1), this.fingers.x, this.fingers.y);
    }
    if (this.drawing === 'pan' && before) return this.pan(spot[0] - before[0], spot[1] - before[1]);
    if (this.drawing === 'brush') {
      this.between(before, spot);
    } else if (this.drawing) {
      const last = this.path[this.path.length - 1];
      if (this.drawing === 'lasso' && Math.hypot(spot[0] - last[0], spot[1] - last[1]) > 3) this.path.push(spot);
      if (this.drawing === 'split') this.tip = spot;
      this.sketch();
    } else {
      this.tip = this.path ? spot : null;
      this.aim(this.unitAt(spot));
    }
    return undefined;
  }

  /** Dab every unit between two spots, so that a quick stroke leaves none out. */
  between(a, b) {
    const steps = Math.max(1, Math.ceil(Math.hypot(b[0] - a[0], b[1] - a[1]) / 4));
    for (let k = 1; k <= steps; k++) {
      const unit = this.unitAt([a[0] + (b[0] - a[0]) * k / steps, a[1] + (b[1] - a[1]) * k / steps]);
      if (unit >= 0 && unit !== this.last) this.dab(unit);
    }
  }

  dab(unit) {
    this.last = unit;
    if (unit < 0 || this.active < 0) return;
    const hint = this.plan.brush(unit, this.active);
    this.tell(hint);
    if (!hint.refused) this.refresh();
    else this.sketch();
  }

  lift(event) {
    const drawing = this.drawing;
    const began = this.pointers.get(event.pointerId);
    this.pointers.delete(event.pointerId);
    if (this.pointers.size) return;
    this.drawing = '';
    this.last = -1;
    this.plan.release();
    if (drawing === 'lasso') this.finishLasso();
    if (drawing === 'split' && began) {
      const spot = this.at(event);
      const first = this.path[this.path.length - 1];
      if (Math.hypot(spot[0] - first[0], spot[1] - first[1]) > 6) { this.path.push(spot); this.finishLine(); }
    }
    if (drawing === 'brush') this.refresh(true);
    if (drawing === 'pan' || drawing === 'pinch') this.paint();
  }

  finishLasso() {
    const ring = this.path.map(([x, y]) => [this.painter.wx(x), this.painter.wy(y)]);
    this.path = null;
    const inside = ring.length < 3 ? [] : this.plan.lassoed(ring);
    if (!inside.length) return this.tellPlain('lassoMissed');
    if (this.active >= 0) {
      const moved = this.plan.move(inside, this.active, 'lasso');
      this.tellPlain(moved ? 'lassoed' : 'lassoMissed', { count: moved, name: this.name(this.active) });
    } else {
      this.choose(this.plan.create(inside, 'lasso'));
    }
    return this.refresh(true);
  }

  finishLine() {
    const path = this.path;
    this.path = this.tip = null;
    if (this.tool !== 'split' || !path || path.length < 2) return;
    const line = path.map(([x, y]) => [this.painter.wx(x), this.painter.wy(y)]);
    const at = this.active >= 0 ? this.active : this.plan.mostCrossed(line);
    const fresh = at < 0 ? -1 : this.plan.split(at, line);
    if (fresh < 0) this.tellPlain('splitMissed');
    else this.tellPlain('splitDone', { a: this.plan.cells[at].homes, b: this.plan.cells[fresh].homes });
    this.refresh(true);
  }

  pick(cell) {
    if (this.tool === 'lock') this.plan.lock(cell, !this.plan.cells[cell].locked);
    if (this.tool === 'merge') {
      if (this.chosen.size === 1 && !this.chosen.has(cell)) {
        const kept = this.plan.merge([...this.chosen, cell]);
        this.tellPlain(kept < 0 ? 'mergeRefused' : 'merged',
          kept < 0 ? {} : { name: this.name(kept), homes: this.plan.cells[kept].homes });
        this.chosen.clear();
        if (kept >= 0) this.active = kept;
      } else this.chosen = new Set(this.chosen.has(cell) ? [] : [cell]);
    }
    this.refresh(true);
  }

  choose(cell) {
    this.active = cell;
    this.refresh(true);
  }

  aim(unit) {
    if (unit === this.hoverUnit && !this.path) return;
    this.hoverUnit = unit;
    this.hover = null;
    if (unit >= 0 && this.tool === 'brush' && this.active >= 0) {
      const hint = this.plan.hint(unit, this.active);
      this.tell(hint);
      if (!hint.refused) this.hover = hint;
    } else if (unit >= 0) this.describe(this.plan.cell[unit]);
    else this.find('hint').hidden = true;
    this.sketch();
  }

  /* ----- words ----- */

  name(at) {
    const cell = this.plan.cells[at];
    return cell.name || (cell.before ? cell.code : this.say('newCell', { number: cell.code.slice(4) }));
  }

  tell(hint) {
    if (hint.refused === 'same') return this.describe(hint.to);
    if (hint.refused) return this.tellPlain(`no_${hint.refused}`, { name: this.name(hint.to) });
    const lines = [];
    if (hint.pocket.length) lines.push(this.say('pocket', { count: hint.pocket.length }));
    const both = { from: hint.fromHomes, to: hint.toHomes, ...this.span(hint.to) };
    const free = this.plan.dedicated(hint.from) || this.plan.dedicated(hint.to);
    if (hint.reserved) lines.push(this.say('reserved'));
    else lines.push(this.say(hint.good ? (free ? 'after' : 'afterGood') : 'afterBad', both));
    if (hint.empties) lines.push(this.say('empties', { name: this.name(hint.from) }));
    return this.show(this.say('moveTitle', { name: this.name(hint.to), homes: hint.households }), lines, hint.good);
  }

  describe(at) {
    const cell = this.plan.cells[at];
    const lines = [this.say('cellFacts', { homes: cell.homes, units: cell.units.size,
      pieces: this.plan.pieces(at), compact: this.plan.polsbyPopper(at).toFixed(2) })];
    if (this.tool === 'brush' && this.active < 0) lines.push(this.say('startHere'));
    this.show(this.name(at), lines, this.plan.inBand(at));
  }

  tellPlain(key, values = {}) { this.show(this.say(key, values), [], true); }

  show(title, lines, good) {
    const hint = this.find('hint');
    hint.hidden = false;
    hint.classList.toggle('bad', !good);
    hint.replaceChildren(node('b', title), ...lines.map((line) => node('span', line)));
  }

  ask(question, value, accept) {
    const dialog = this.find('dialog');
    this.find('ask').textContent = question;
    this.find('answer').value = value;
    dialog.onclose = () => { if (dialog.returnValue === 'ok') accept(this.find('answer').value.trim()); };
    dialog.returnValue = '';
    dialog.showModal();
    this.find('answer').select();
  }

  /* ----- commands ----- */

  act(name, cell) {
    const acts = {
      undo: () => this.back(this.plan.undo()), redo: () => this.back(this.plan.redo()),
      save: () => this.save(), open: () => this.find('file').click(),
      closer: () => this.zoom(1.5), farther: () => this.zoom(1 / 1.5),
      whole: () => { this.painter.fit(this.plan.extent()); this.paint(); },
      goto: () => { this.active = cell; this.visit(cell); },
      tune: () => { if (!this.plan.tune(cell)) this.tellPlain('tuneFailed'); this.refresh(true); },
      approve: () => this.ask(this.say('askReason', { name: this.name(cell) }), this.plan.cells[cell].reason,
        (reason) => { this.plan.approve(cell, reason); this.refresh(true); }),
      rename: () => this.ask(this.say('askName', { code: this.plan.cells[cell].code }), this.name(cell),
        (name) => { if (name) this.plan.rename(cell, name); this.refresh(true); }),
      cancel: () => this.find('dialog').close(),
    };
    if (TOOLS.includes(name)) this.take(name);
    else if (acts[name]) acts[name]();
  }

  take(tool) {
    this.tool = tool;
    this.path = this.tip = this.hover = null;
    this.chosen.clear();
    this.tellPlain(`${tool}Help`);
    this.refresh(true);
  }

  back(done) {
    if (!done) return;
    if (this.active >= 0 && !this.plan.lives(this.active)) this.active = -1;
    this.refresh(true);
  }

  key(event) {
    if (event.target.closest && event.target.closest('input, dialog')) return;
    const onButton = event.target.closest && event.target.closest('button');
    const command = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (command) {
      const name = key === 'z' ? (event.shiftKey ? 'redo' : 'undo') : { y: 'redo', s: 'save', o: 'open' }[key];
      if (!name) return;
      this.act(name);
    } else if (KEYS[key]) this.take(KEYS[key]);
    else if (key === 'escape') { this.path = null; this.marked = []; this.chosen.clear(); this.choose(-1); this.find('hint').hidden = true; }
    else if (key === 'n') this.next();
    else if (key === '+' || key === '=') this.zoom(1.5);
    else if (key === '-') this.zoom(1 / 1.5);
    else if (key === '0') this.act('whole');
    else if (key.startsWith('arrow')) this.walk(key.slice(5), event.shiftKey);
    else if (key === 'enter' && !onButton && this.cursor >= 0) this.dabCursor();
    else if (key === ' ' && !onButton && this.cursor >= 0) this.choose(this.plan.cell[this.cursor]);
    else return;
    event.preventDefault();
  }

  dabCursor() {
    if (this.tool === 'brush') {
      if (this.active < 0) return this.choose(this.plan.cell[this.cursor]);
      this.dab(this.cursor);
      return this.refresh(true);
    }
    return this.pick(this.plan.cell[this.cursor]);
  }

  /** Walk from unit to unit with the arrow keys; with shift the map moves. */
  walk(way, shift) {
    const [dx, dy] = { left: [-1, 0], right: [1, 0], up: [0, 1], down: [0, -1] }[way];
    if (shift) return this.pan(-80 * dx, 80 * dy);
    const { x, y } = this.plan.shape;
    if (this.cursor < 0) this.cursor = this.plan.unitAt(this.painter.x, this.painter.y);
    if (this.cursor < 0) this.cursor = 0;
    let best = -1, score = 0;
    for (const next of this.plan.beside(this.cursor)) {
      const [ex, ey] = [x[next] - x[this.cursor], y[next] - y[this.cursor]];
      const along = (ex * dx + ey * dy) / (Math.hypot(ex, ey) || 1);
      if (along > Math.max(score, 0.3)) { best = next; score = along; }
    }
    if (best >= 0) this.cursor = best;
    return this.aim(this.cursor);
  }

  next() {
    const list = this.plan.todo();
    if (!list.length) return;
    this.turn = ((this.turn ?? -1) + 1) % list.length;
    this.active = list[this.turn].cell;
    this.visit(this.active);
  }

  visit(cell) {
    const box = this.painter.box(cell);
    if (box[0] < box[2]) this.painter.fit(box, 0.45);
    this.refresh(true);
    this.paint();
  }

  pan(dx, dy) {
    const { painter } = this;
    painter.look(painter.x - dx / painter.scale, painter.y + dy / painter.scale, painter.scale);
    this.soon();
  }

  zoom(factor, x = this.painter.width / 2, y = this.painter.height / 2) {
    const { painter } = this;
    const [wx, wy] = [painter.wx(x), painter.wy(y)];
    painter.look(painter.x, painter.y, painter.scale * factor);
    painter.look(wx - (x - painter.width / 2) / painter.scale, wy + (y - painter.height / 2) / painter.scale, painter.scale);
    this.soon();
  }

  soon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  save() {
    const document_ = this.plan.changes();
    this.kept = this.plan.done.length;
    if (this.host.saved) return this.host.saved(document_);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(document_, null, 1)], { type: 'application/json' }));
    link.download = `${this.data.file || 'changes'}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
    return this.tellPlain(this.plan.good ? 'saved' : 'savedUnfinished', { count: this.plan.todo().length });
  }

  open(text) {
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      found = null;
    }
    const fault = this.plan.read(found);
    if (fault) return this.tellPlain(`bad_${fault}`, { hash: String(found && found.grid).slice(0, 8) });
    this.active = -1;
    this.refresh(true);
    return this.tellPlain('opened', { count: this.plan.difference().touched });
  }

  /* ----- what is seen ----- */

  paint() {
    this.painter.all();
    this.sketch();
  }

  /** Draw and tell what has changed since the last time. */
  refresh(panel = false) {
    const cells = [...this.plan.dirty];
    this.plan.dirty.clear();
    for (const at of cells) this.painter.spots[at] = null;
    if (!this.painted || cells.length > 40) { this.painted = true; this.painter.all(); }
    else if (cells.length) this.painter.part(cells);
    this.sketch();
    this.sums();
    if (panel) this.panel();
    if (cells.length && this.host.changed) this.host.changed(this.plan);
  }

  sketch() {
    const { ink, painter, plan } = this;
    ink.setTransform(painter.factor, 0, 0, painter.factor, 0, 0);
    ink.clearRect(0, 0, painter.width, painter.height);
    const frame = (at, colour) => painter.outline(ink, (unit) => plan.cell[unit] === at, plan.cells[at].units, colour, 3);
    if (this.active >= 0 && plan.lives(this.active)) frame(this.active, TARGET);
    for (const at of this.chosen) frame(at, TARGET);
    if (this.marked.length) this.wash(this.marked, 'rgba(11,87,164,.18)', PICKED, []);
    if (this.hover) {
      if (plan.lives(this.hover.from)) frame(this.hover.from, PICKED);
      this.wash([this.hover.unit], 'rgba(27,94,140,.22)', PICKED, []);
      if (this.hover.pocket.length) this.wash(this.hover.pocket, 'rgba(214,150,20,.55)', TARGET, [5, 4]);
    }
    if (this.cursor >= 0) this.wash([this.cursor], 'rgba(0,0,0,0)', INK, [2, 2]);
    if (this.path) this.pathInk();
  }

  wash(units, fill, stroke, dash) {
    const { ink, painter } = this;
    ink.beginPath();
    for (const unit of units) painter.trace(ink, unit);
    ink.fillStyle = fill;
    ink.fill();
    const set = new Set(units);
    painter.outline(ink, (unit) => set.has(unit), units, stroke, 2.2, dash);
  }

  pathInk() {
    const { ink } = this;
    ink.beginPath();
    [...this.path, ...(this.tip ? [this.tip] : [])].forEach(([x, y], k) => { if (k) ink.lineTo(x, y); else ink.moveTo(x, y); });
    if (this.drawing === 'lasso') {
      ink.fillStyle = 'rgba(178,106,0,.12)';
      ink.fill();
    }
    ink.setLineDash([6, 4]);
    ink.strokeStyle = TARGET;
    ink.lineWidth = 2;
    ink.stroke();
    ink.setLineDash([]);
  }

  sums() {
    const found = this.plan.difference();
    const gain = found.compactness - found.before;
    this.sum('touched', String(found.touched), ' ');
    this.sum('moved', found.moved.toLocaleString('en'), `${(100 * found.share).toFixed(2)}%`);
    this.sum('compact', found.compactness.toFixed(3), withSign(gain));
    for (const [name, able] of [['undo', this.plan.done.length], ['redo', this.plan.undone.length]]) {
      this.root.querySelector(`[data-do="${name}"]`).disabled = !able;
    }
    for (const tool of TOOLS) {
      this.root.querySelector(`[data-do="${tool}"]`).setAttribute('aria-pressed', String(tool === this.tool));
    }
  }

  sum(name, value, small) {
    const [, big, little] = this.root.querySelector(`[data-sum="${name}"]`).children;
    if (big.textContent !== value) big.textContent = value;
    if (little.textContent !== small) little.textContent = small;
  }

  panel(most = ROWS) {
    const list = this.plan.todo();
    this.find('todo-title').textContent = list.length ? this.say('todo', { count: list.length }) : this.say('nothingToDo');
    this.find('todo-title').classList.toggle('done', !list.length);
    fill(this.find('todo'), list.slice(0, most).map((item) => this.need(item)), (item) => this.task(item));
    this.standing(most);
    fill(this.find('list'), this.rows(most).map((at) => this.facts(at)), (facts) => this.row(facts));
  }

  /** Tell which cells are outside the band as they were, and why, as the grid has it on record. */
  standing(most) {
    const cells = this.plan.standing();
    const { recorded } = this.data;
    const known = cells.filter((at) => at in recorded).length;
    const list = this.find('standing');
    list.hidden = !cells.length;
    if (cells.length <= FEW || most === Infinity) list.open = true;
    this.find('standing-title').textContent = this.say('standing', { count: cells.length, known });
    const facts = cells.slice(0, most).map((cell) => ({ ...this.need({ cell, faults: ['band'] }),
      acts: ['goto'], why: recorded[cell] ?? this.say('unrecorded') }));
    fill(this.find('standing-list'), facts, (item) => this.task(item));
  }

  /** Gather what an item of the list of what is not yet right says. */
  need({ cell, faults }) {
    return { cell, faults, name: this.name(cell), homes: this.plan.cells[cell].homes,
      pieces: this.plan.pieces(cell), dedicated: this.plan.dedicated(cell),
      acts: ['goto', ...(faults.includes('band') ? ['tune'] : []), 'approve'], why: '' };
  }

  task({ cell, faults, name, homes, pieces, dedicated, acts, why }) {
    const item = node('li', '');
    item.dataset.cell = cell;
    const [low, high] = this.plan.band(cell);
    if (faults.includes('band') && dedicated) {
      item.append(this.say('reservedHomes', { name, homes }));
    } else if (faults.includes('band')) {
      item.append(node('b', this.say('homesOf', { name, homes })),
        homes > high ? this.say('over', { count: homes - high }) : this.say('under', { count: low - homes }));
    }
    if (faults.includes('pieces')) item.append(this.say('apart', { name, count: pieces }));
    for (const act of acts) item.append(' ', this.link(act, cell));
    if (why) item.append(node('div', why, 'faint'));
    return item;
  }

  link(name, cell) {
    const link = node('button', this.say(name), 'link');
    link.type = 'button';
    link.dataset.do = name;
    link.dataset.cell = cell;
    return link;
  }

  /** List first what is touched, then the active cell and those beside it, then others of its parent. */
  rows(most) {
    const { plan } = this;
    const rows = new Set();
    if (this.active >= 0) rows.add(this.active);
    for (const at of [...plan.touched].sort((a, b) => a - b)) {
      const { locked, reason } = plan.cells[at];
      if (plan.lives(at) && (plan.changed(at) || locked || reason)) rows.add(at);
    }
    if (this.active >= 0) {
      for (const unit of plan.cells[this.active].units) {
        for (const next of plan.neighbours(unit)) rows.add(plan.cell[next]);
      }
    }
    const parent = this.active >= 0 && most < Infinity ? plan.cells[this.active].parent : -1;
    for (let at = 0; at < plan.cells.length && rows.size < most; at++) {
      if (plan.lives(at) && (parent < 0 || plan.cells[at].parent === parent)) rows.add(at);
    }
    return [...rows].slice(0, most + 20);
  }

  /** Gather what the row of a cell says. */
  facts(at) {
    const { plan } = this;
    const { homes, before, locked, reason } = plan.cells[at];
    return { at, name: this.name(at), homes, gain: homes - (before ? before.homes : 0), locked,
      approved: reason !== '', pieces: plan.pieces(at), compact: plan.polsbyPopper(at).toFixed(2),
      dedicated: plan.dedicated(at), good: plan.inBand(at), changed: plan.changed(at), active: at === this.active };
  }

  /** Say what the columns of the list are. */
  heads() {
    const row = node('tr', '');
    for (const name of ['', '', 'homes', 'gain', 'shape', '']) row.append(node('td', name && this.say(name), 'number'));
    row.lastChild.className = 'edit';
    return row;
  }

  row(facts) {
    const { at, homes, gain } = facts;
    const row = node('tr', '');
    row.dataset.cell = at;
    row.classList.toggle('changed', facts.changed);
    row.classList.toggle('active', facts.active);
    const name = node('td', '');
    const call = this.link('goto', at);
    call.textContent = facts.name;
    call.classList.add('name');
    name.append(call);
    if (facts.locked) name.append(node('i', this.say('lockedBadge')));
    if (facts.approved) name.append(node('i', this.say('approvedBadge')));
    if (facts.pieces > 1) name.append(node('i', this.say('piecesBadge', { count: facts.pieces }), 'bad'));
    const bar = node('td', '');
    if (!facts.dedicated) bar.append(this.bar(homes, ...this.plan.band(at)));
    const number = node('td', homes.toLocaleString('en'), facts.good ? 'number' : 'number bad');
    const change = node('td', gain ? `${gain < 0 ? '−' : '+'}${Math.abs(gain)}` : '', 'number small');
    const shape = node('td', facts.compact, 'number faint');
    shape.title = this.say('compact');
    const edit = node('td', '', 'edit');
    edit.append(this.link('rename', at));
    row.append(name, bar, number, change, shape, edit);
    return row;
  }

  bar(homes, low, high) {
    const bar = node('span', '', 'bar');
    const reach = (high - low) / 2;
    const place = Math.min(Math.max((homes - low + reach / 1.5) / (high - low + 2 * reach / 1.5), 0), 1);
    const tick = node('em', '');
    tick.style.left = `${(100 * place).toFixed(1)}%`;
    bar.append(tick);
    return bar;
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return ''; // not an address that a page of gridmap wrote
  }
}

const OTHER = ['#8e24aa', '#00695c', '#c2185b', '#3949ab'];

function collide(one, other) {
  return Math.abs(one.x - other.x) < one.half + other.half && Math.abs(one.y - other.y) < 2 * TALL;
}

function node(tag, text, className = '') {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/** Show one child for each of the facts; those that say the same as before stay as they are. */
function fill(list, facts, make) {
  const wanted = facts.map((one) => JSON.stringify(one));
  const keep = new Set(wanted);
  const there = new Map();
  for (const child of [...list.children]) {
    if (keep.has(child.says)) there.set(child.says, child);
    else child.remove();
  }
  let next = list.firstChild;
  facts.forEach((one, k) => {
    const child = there.get(wanted[k]) || make(one);
    child.says = wanted[k];
    if (child === next) next = next.nextSibling;
    else list.insertBefore(child, next);
  });
}

/** Write a gain with its sign, and none where it rounds to nothing. */
function withSign(gain) {
  const size = Math.abs(gain).toFixed(3);
  return Number(size) ? `${gain < 0 ? '−' : '+'}${size}` : size;
}

function sizeOf(stage) {
  return { width: Math.max(stage.clientWidth, 50), height: Math.max(stage.clientHeight, 50) };
}
