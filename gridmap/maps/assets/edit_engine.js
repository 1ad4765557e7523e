/* A plan being redrawn: units in cells, and what each change does to them. Nothing here knows a
   page, so that node runs it too. Coordinates are metres of the grid's CRS. */

import { running, signed, varints } from './varints.js';

/* ---------- unpacking ---------- */

/** Undo differences: each number was written as its step from the one before. */
function summed(steps) {
  const out = new Int32Array(steps.length);
  let last = 0;
  for (let i = 0; i < steps.length; i++) out[i] = last += signed(steps[i]);
  return out;
}

/** Unpack shared arcs: vertices, the uses of arcs by each polygon, and who lies beside each arc. */
export function unpack(packed) {
  const parts = packed.parts.map(varints);
  const start = running(parts[0]);
  const X = new Float64Array(start[start.length - 1]);
  const Y = new Float64Array(X.length);
  let x = 0;
  let y = 0;
  for (let i = 0; i < X.length; i++) {
    x += signed(parts[1][2 * i]);
    y += signed(parts[1][2 * i + 1]);
    X[i] = packed.origin[0] + x * packed.quantum;
    Y[i] = packed.origin[1] + y * packed.quantum;
  }
  const shape = {
    X, Y, start, arcs: start.length - 1, count: packed.cells,
    rings: running(parts[2]), ringUses: running(parts[3]), uses: summed(parts[4]),
  };
  measure(shape);
  return shape;
}

/** Find the length of each arc and its neighbours, and the box, area and middle of each polygon. */
function measure(shape) {
  const { X, Y, start, arcs, count } = shape;
  shape.left = new Int32Array(arcs).fill(-1);
  shape.right = new Int32Array(arcs).fill(-1);
  shape.length = new Float64Array(arcs);
  for (let arc = 0; arc < arcs; arc++) {
    for (let v = start[arc] + 1; v < start[arc + 1]; v++) {
      shape.length[arc] += Math.hypot(X[v] - X[v - 1], Y[v] - Y[v - 1]);
    }
  }
  shape.box = new Float64Array(4 * count);
  shape.area = new Float64Array(count);
  shape.perimeter = new Float64Array(count);
  shape.x = new Float64Array(count);
  shape.y = new Float64Array(count);
  for (let unit = 0; unit < count; unit++) measureOne(shape, unit);
}

function measureOne(shape, unit) {
  const { X, Y, start } = shape;
  const [ox, oy] = firstVertex(shape, unit);
  let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
  let twice = 0, mx = 0, my = 0, around = 0;
  eachUse(shape, unit, (use) => {
    const arc = use >> 1;
    if (use & 1) shape.right[arc] = unit; else shape.left[arc] = unit;
    const sign = use & 1 ? -1 : 1;
    around += shape.length[arc];
    for (let v = start[arc]; v < start[arc + 1]; v++) {
      if (X[v] < west) west = X[v];
      if (X[v] > east) east = X[v];
      if (Y[v] < south) south = Y[v];
      if (Y[v] > north) north = Y[v];
      if (v === start[arc]) continue;
      const ax = X[v - 1] - ox, ay = Y[v - 1] - oy, bx = X[v] - ox, by = Y[v] - oy;
      const cross = sign * (ax * by - bx * ay);
      twice += cross;
      mx += (ax + bx) * cross;
      my += (ay + by) * cross;
    }
  });
  shape.box.set([west, south, east, north], 4 * unit);
  shape.area[unit] = Math.abs(twice) / 2;
  shape.perimeter[unit] = around;
  shape.x[unit] = twice ? ox + mx / (3 * twice) : ox;
  shape.y[unit] = twice ? oy + my / (3 * twice) : oy;
}

function firstVertex(shape, unit) {
  const at = shape.ringUses[shape.rings[unit]];
  if (at === undefined || shape.rings[unit] === shape.rings[unit + 1]) return [0, 0];
  const v = shape.start[shape.uses[at] >> 1];
  return [shape.X[v], shape.Y[v]];
}

export function eachUse(shape, unit, act) {
  const from = shape.ringUses[shape.rings[unit]];
  const to = shape.ringUses[shape.rings[unit + 1]];
  for (let i = from; i < to; i++) act(shape.uses[i]);
}

/** Tell whether a point lies in a polygon of the shape. */
export function within(shape, unit, x, y) {
  const box = shape.box;
  if (x < box[4 * unit] || x > box[4 * unit + 2]) return false;
  if (y < box[4 * unit + 1] || y > box[4 * unit + 3]) return false;
  const { X, Y, start } = shape;
  let inside = false;
  eachUse(shape, unit, (use) => {
    const arc = use >> 1;
    for (let b = start[arc] + 1; b < start[arc + 1]; b++) {
      const a = b - 1;
      if ((Y[a] > y) !== (Y[b] > y) && x < (X[b] - X[a]) * (y - Y[a]) / (Y[b] - Y[a]) + X[a]) {
        inside = !inside;
      }
    }
  });
  return inside;
}

/** Tell whether a point lies in a ring of [x, y]. */
export function inRing(ring, x, y) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [ax, ay] = ring[j];
    const [bx, by] = ring[i];
    if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/* ---------- the plan ---------- */

export class Plan {
  /** Read what the page holds; see `plan_data` in edit.py for its parts. */
  constructor(data) {
    this.data = data;
    this.shape = unpack(data.geometry);
    this.count = this.shape.count;
    this.label = data.unit || Array.from({ length: this.count }, (_, i) => i);
    this.place = new Map(this.label.map((label, unit) => [String(label), unit]));
    this.households = Int32Array.from(varints(data.households));
    this.cell = Int32Array.from(varints(data.cell));
    this.start = this.cell.slice();
    const parent = varints(data.cells.parent);
    this.cells = data.cells.code.map((code, at) => blank(code, {
      name: data.cells.name[at], dedicated: data.cells.dedicated[at] === 1, parent: parent[at],
    }));
    this.codes = new Map(this.cells.map((cell, at) => [cell.code, at]));
    this.parent = Int32Array.from(this.cell, (cell) => parent[cell]);
    this.readContacts(data.contacts);
    this.fresh = 0;
    this.note = data.note || '';
    this.done = [];
    this.undone = [];
    this.dirty = new Set();
    this.touched = new Set(); // cells that were ever changed or spoken of
    this.stale = new Set(this.cells.keys()); // cells whose compactness is to be measured
    this.shapes = { sum: 0, count: 0 };
    this.begin();
  }

  readContacts(packed) {
    const lower = summed(varints(packed.lower));
    const upper = varints(packed.upper).map((step, at) => lower[at] + step);
    const degree = new Uint32Array(this.count + 1);
    lower.forEach((a, at) => { degree[a + 1]++; degree[upper[at] + 1]++; });
    for (let i = 0; i < this.count; i++) degree[i + 1] += degree[i];
    this.from = degree.slice();
    this.near = new Int32Array(2 * lower.length);
    const next = degree.slice();
    lower.forEach((a, at) => {
      this.near[next[a]++] = upper[at];
      this.near[next[upper[at]]++] = a;
    });
  }

  /** Sum the cells up for the first time, and remember how they began. */
  begin() {
    const { shape } = this;
    for (let unit = 0; unit < this.count; unit++) {
      const cell = this.cells[this.cell[unit]];
      cell.units.add(unit);
      if (cell.dedicated) cell.reserved++;
      cell.homes += this.households[unit];
      cell.area += shape.area[unit];
    }
    for (let arc = 0; arc < shape.arcs; arc++) {
      const a = shape.left[arc] < 0 ? -1 : this.cell[shape.left[arc]];
      const b = shape.right[arc] < 0 ? -1 : this.cell[shape.right[arc]];
      if (a === b) continue;
      if (a >= 0) this.cells[a].border += shape.length[arc];
      if (b >= 0) this.cells[b].border += shape.length[arc];
    }
    this.total = this.households.reduce((sum, homes) => sum + homes, 0);
    for (const cell of this.cells) {
      cell.before = { homes: cell.homes, name: cell.name, pieces: this.piecesOf(cell), size: cell.units.size };
      cell.pieces = cell.before.pieces;
    }
    this.compactBefore = this.compactness();
  }

  /* ----- what is -----*/

  neighbours(unit) { return this.near.subarray(this.from[unit], this.from[unit + 1]); }

  /** Part a set of units into connected pieces, the most inhabited first. */
  parts(units) {
    const left = new Set(units);
    const found = [];
    for (const seed of left) {
      left.delete(seed);
      const piece = [seed];
      for (let i = 0; i < piece.length; i++) {
        for (const next of this.neighbours(piece[i])) if (left.delete(next)) piece.push(next);
      }
      found.push(piece);
    }
    return found.map((piece) => ({ units: piece, homes: this.sum(piece) }))
      .sort((a, b) => b.homes - a.homes || b.units.length - a.units.length || a.units[0] - b.units[0])
      .map((piece) => piece.units);
  }

  piecesOf(cell) { return this.parts(cell.units).length; }

  sum(units) {
    let homes = 0;
    for (const unit of units) homes += this.households[unit];
    return homes;
  }

  pieces(at) {
    const cell = this.cells[at];
    if (cell.pieces < 0) cell.pieces = this.piecesOf(cell);
    return cell.pieces;
  }

  /** Return the least and the most households of a cell: its jurisdiction's, where bands differ. */
  band(at) {
    const { bands, band } = this.data;
    return bands ? bands[this.cells[at].parent] : band;
  }

  inBand(at, homes = this.cells[at].homes) {
    const { before } = this.cells[at];
    if (this.dedicated(at)) return !before || homes <= before.homes; // nobody is hidden from the band
    const [low, high] = this.band(at);
    return homes >= low && homes <= high;
  }

  /** Tell whether no band binds a cell: a new one is dedicated when all its ground was. */
  dedicated(at) {
    const cell = this.cells[at];
    return cell.before ? cell.dedicated : cell.units.size > 0 && cell.reserved === cell.units.size;
  }

  changed(at) { const cell = this.cells[at]; return cell.came + cell.left > 0; }

  lives(at) { return this.cells[at].units.size > 0; }

  /** List what keeps a cell from being accepted: nothing, 'band', 'pieces' or both. */
  faults(at) {
    const cell = this.cells[at];
    if (!this.lives(at) || !this.changed(at) || cell.reason) return [];
    const found = [];
    if (!this.inBand(at) && !(cell.before && cell.before.homes === cell.homes)) found.push('band');
    if (this.pieces(at) > Math.max(1, cell.before ? cell.before.pieces : 1)) found.push('pieces');
    return found;
  }

  /** List the cells that are not yet right. */
  todo() {
    return [...this.touched].sort((a, b) => a - b)
      .map((at) => ({ cell: at, faults: this.faults(at) })).filter((item) => item.faults.length);
  }

  /** List the cells outside the band that have as many households as at the start. */
  standing() {
    return [...this.cells.keys()].filter((at) => {
      const { before, homes } = this.cells[at];
      return before && this.lives(at) && homes === before.homes && !this.inBand(at);
    });
  }

  /** Tell whether `gridmap apply` would accept the plan. */
  get good() { return this.todo().length === 0; }

  polsbyPopper(at) {
    const cell = this.cells[at];
    return cell.border > 0 ? Math.min(1, 4 * Math.PI * cell.area / cell.border ** 2) : 0;
  }

  /** Return the mean compactness; only cells that changed are measured again. */
  compactness() {
    for (const at of this.stale) {
      const cell = this.cells[at];
      if (cell.measured) { this.shapes.sum -= cell.shape; this.shapes.count--; }
      cell.measured = cell.units.size > 0 && !this.dedicated(at);
      if (!cell.measured) continue;
      cell.shape = this.polsbyPopper(at);
      this.shapes.sum += cell.shape;
      this.shapes.count++;
    }
    this.stale.clear();
    return this.shapes.count ? this.shapes.sum / this.shapes.count : 0;
  }

  /** Tell what is another than at the start. */
  difference() {
    let moved = 0, touched = 0;
    for (const at of this.touched) {
      moved += this.cells[at].arrived;
      touched += this.changed(at) ? 1 : 0;
    }
    return { touched, moved, share: this.total ? moved / this.total : 0,
      compactness: this.compactness(), before: this.compactBefore };
  }

  /** Find the unit at a point, -1 outside. */
  unitAt(x, y) {
    this.index ||= new Index(this.shape);
    return this.index.at(x, y);
  }

  /** List the units whose middle lies in a ring. */
  lassoed(ring) {
    this.index ||= new Index(this.shape);
    const xs = ring.map(([x]) => x), ys = ring.map(([, y]) => y);
    const near = this.index.inside(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
    return [...near].filter((unit) => inRing(ring, this.shape.x[unit], this.shape.y[unit])).sort((a, b) => a - b);
  }

  /** Find the cell in which most of a line lies, -1 outside all. */
  mostCrossed(line) {
    const met = new Map();
    for (let k = 1; k < line.length; k++) {
      for (let s = 0; s <= 50; s++) {
        const [a, b, t] = [line[k - 1], line[k], s / 50];
        const unit = this.unitAt(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]));
        if (unit < 0) continue;
        const cell = this.cell[unit];
        met.set(cell, (met.get(cell) || 0) + Math.hypot(b[0] - a[0], b[1] - a[1]));
      }
    }
    return [...met].reduce((best, one) => (one[1] > best[1] ? one : best), [-1, 0])[0];
  }

  /** List the units that share a border with a unit, in whatever jurisdiction. */
  beside(unit) {
    const found = new Set();
    eachUse(this.shape, unit, (use) => {
      const other = use & 1 ? this.shape.left[use >> 1] : this.shape.right[use >> 1];
      if (other >= 0) found.add(other);
    });
    return [...found];
  }

  /* ----- what would be ----- */

  /** Foresee a unit moving to a cell: what must go along, and what both cells would be. */
  hint(unit, target) {
    const from = this.cell[unit];
    const hint = { unit, from, to: target, units: [unit], pocket: [], refused: '' };
    if (from === target) hint.refused = 'same';
    else if (this.cells[from].locked || this.cells[target].locked) hint.refused = 'locked';
    else if (this.parent[unit] !== this.cells[target].parent) hint.refused = 'parent';
    else if (this.lives(target) && !this.touches(unit, target)) hint.refused = 'apart';
    if (hint.refused) return hint;
    hint.pocket = this.pocket(unit, from);
    hint.units.push(...hint.pocket);
    hint.households = this.sum(hint.units);
    hint.fromHomes = this.cells[from].homes - hint.households;
    hint.toHomes = this.cells[target].homes + hint.households;
    hint.empties = hint.units.length === this.cells[from].units.size;
    hint.good = (hint.empties || this.inBand(from, hint.fromHomes)) && this.inBand(target, hint.toHomes);
    hint.reserved = this.dedicated(target) && hint.toHomes > this.cells[target].homes;
    return hint;
  }

  touches(unit, target) { return this.neighbours(unit).some((next) => this.cell[next] === target); }

  /** Find the units that a cell would lose sight of without one of its units. */
  pocket(unit, from) {
    const beside = new Set(this.neighbours(unit).filter((next) => this.cell[next] === from));
    if (beside.size < 2) return [];
    const rest = new Set(this.cells[from].units);
    rest.delete(unit);
    const cut = this.parts(rest).filter((piece) => piece.some((one) => beside.has(one)));
    return cut.slice(1).flat();
  }

  /* ----- what is done: every change is one step that can be undone ----- */

  /** Run changes as one step; nothing is kept when they come to nothing. */
  step(title, act) {
    if (this.open) return act();
    this.open = { title, moves: [], words: [] };
    try {
      return act();
    } finally {
      const step = this.open;
      this.open = null;
      if (step.moves.length || step.words.length) {
        this.done.push(step);
        this.undone.length = 0;
      }
    }
  }

  /** Begin a step that stays open over several calls, as a stroke of the brush does. */
  hold(title) { this.release(); this.open = { title, moves: [], words: [] }; }

  release() {
    const step = this.open;
    this.open = null;
    if (step && (step.moves.length || step.words.length)) {
      this.done.push(step);
      this.undone.length = 0;
    }
  }

  undo() {
    this.release();
    const step = this.done.pop();
    if (!step) return false;
    for (let i = step.moves.length - 3; i >= 0; i -= 3) this.put(step.moves[i], step.moves[i + 1]);
    for (const word of [...step.words].reverse()) this.write(word.cell, word.key, word.was);
    this.undone.push(step);
    return true;
  }

  redo() {
    this.release();
    const step = this.undone.pop();
    if (!step) return false;
    for (let i = 0; i < step.moves.length; i += 3) this.put(step.moves[i], step.moves[i + 2]);
    for (const word of step.words) this.write(word.cell, word.key, word.is);
    this.done.push(step);
    return true;
  }

  /** Move units to a cell, those excepted that are locked or of another jurisdiction. */
  move(units, target, title = 'move') {
    const goal = this.cells[target];
    if (goal.locked) return 0;
    const able = [...units].filter((unit) => this.cell[unit] !== target &&
      !this.cells[this.cell[unit]].locked && this.parent[unit] === goal.parent);
    this.step(title, () => able.forEach((unit) => this.send(unit, target)));
    return able.length;
  }

  /** Move a unit and the pocket that must go along; return the hint that was followed. */
  brush(unit, target) {
    const hint = this.hint(unit, target);
    if (!hint.refused) this.move(hint.units, target, 'brush');
    return hint;
  }

  /** Merge cells of one jurisdiction; the one with most households keeps its code. */
  merge(cells) {
    const chosen = [...new Set(cells)].filter((at) => this.lives(at));
    const parents = new Set(chosen.map((at) => this.cells[at].parent));
    if (chosen.length < 2 || parents.size > 1 || chosen.some((at) => this.cells[at].locked)) return -1;
    const keeper = chosen.reduce((a, b) => (this.cells[b].homes > this.cells[a].homes ? b : a));
    this.step('merge', () => chosen.forEach((at) => {
      if (at !== keeper) this.move([...this.cells[at].units], keeper);
    }));
    return keeper;
  }

  /** Make a cell of units that one jurisdiction holds; return it. */
  create(units, title = 'create') {
    const movable = [...units].filter((unit) => !this.cells[this.cell[unit]].locked);
    if (!movable.length) return -1;
    const parent = this.parent[movable[0]];
    const fresh = this.add(`new:${++this.fresh}`, parent);
    this.move(movable, fresh, title);
    return fresh;
  }

  add(code, parent) {
    const at = this.cells.length;
    this.cells.push(blank(code, { name: '', dedicated: false, parent }));
    this.codes.set(code, at);
    return at;
  }

  /** Split a cell along a line, by whole units; return the new cell, -1 where the line misses. */
  split(at, line) {
    const cell = this.cells[at];
    if (cell.locked) return -1;
    const away = this.sides(cell.units, line);
    if (!away.length || away.length === cell.units.size) return -1;
    return this.create(away, 'split');
  }

  /** Return the lighter side of a line among units, each side in one piece. */
  sides(units, line) {
    const left = leftOf(line, this.extent());
    let sides = [[], []];
    for (const unit of units) sides[inRing(left, this.shape.x[unit], this.shape.y[unit]) ? 0 : 1].push(unit);
    for (let round = 0; round < 4; round++) {
      if (!sides[0].length || !sides[1].length) return [];
      const [a, b] = sides.map((side) => this.parts(side));
      if (a.length === 1 && b.length === 1) break;
      sides = [[...a[0], ...b.slice(1).flat()], [...b[0], ...a.slice(1).flat()]];
    }
    return this.sum(sides[0]) < this.sum(sides[1]) ? sides[0] : sides[1];
  }

  extent() {
    if (!this.span) {
      const { box } = this.shape;
      this.span = [Infinity, Infinity, -Infinity, -Infinity];
      for (let i = 0; i < box.length; i += 4) {
        for (const k of [0, 1]) {
          this.span[k] = Math.min(this.span[k], box[i + k]);
          this.span[k + 2] = Math.max(this.span[k + 2], box[i + k + 2]);
        }
      }
    }
    return this.span;
  }

  /** Bring a cell towards the band by moving border units, each move the best of its kind. */
  tune(at) {
    const steps = [];
    this.step('tune', () => {
      for (let round = 0; round < 40 && !this.inBand(at); round++) {
        const best = this.bestMove(at);
        if (!best) break;
        this.move(best.units, best.to);
        steps.push(best);
      }
    });
    return steps.length > 0 && this.inBand(at);
  }

  bestMove(at) {
    const over = this.cells[at].homes > this.band(at)[1];
    let best = null;
    for (const unit of this.rim(at)) {
      for (const goal of over ? this.cellsBeside(unit) : [at]) {
        const hint = this.hint(unit, goal);
        if (hint.refused || !hint.households || hint.empties) continue;
        const other = over ? goal : hint.from;
        const after = over ? hint.toHomes : hint.fromHomes;
        if (this.dedicated(other) || !this.inBand(other, after)) continue;
        const gap = distance(over ? hint.fromHomes : hint.toHomes, this.band(at));
        const cost = gap + 1e-3 * hint.households + 5 * hint.pocket.length;
        if (gap < distance(this.cells[at].homes, this.band(at)) && (!best || cost < best.cost)) {
          best = { ...hint, cost };
        }
      }
    }
    return best;
  }

  /** List the units on the rim of a cell: its own when it is too full, else those around it. */
  rim(at) {
    const over = this.cells[at].homes > this.band(at)[1];
    const found = new Set();
    for (const unit of this.cells[at].units) {
      for (const next of this.neighbours(unit)) {
        if (this.cell[next] !== at) found.add(over ? unit : next);
      }
    }
    return [...found].sort((a, b) => a - b);
  }

  cellsBeside(unit) {
    const cells = new Set([...this.neighbours(unit)].map((next) => this.cell[next]));
    cells.delete(this.cell[unit]);
    return [...cells];
  }

  lock(at, value) { this.word(at, 'locked', value); }
  rename(at, name) { this.word(at, 'name', name); }
  approve(at, reason) { this.word(at, 'reason', reason.trim()); }

  word(cell, key, is) {
    const was = this.cells[cell][key];
    if (was === is) return;
    this.step(key, () => {
      this.open.words.push({ cell, key, was, is });
      this.write(cell, key, is);
    });
  }

  write(cell, key, value) {
    this.cells[cell][key] = value;
    this.dirty.add(cell);
    this.touched.add(cell);
  }

  send(unit, to) {
    this.open.moves.push(unit, this.cell[unit], to);
    this.put(unit, to);
  }

  /** Put a unit into a cell, and keep every sum up to date. */
  put(unit, to) {
    const from = this.cell[unit];
    if (from === to) return;
    const [source, goal, homes] = [this.cells[from], this.cells[to], this.households[unit]];
    eachUse(this.shape, unit, (use) => {
      const arc = use >> 1;
      const length = this.shape.length[arc];
      const beside = use & 1 ? this.shape.left[arc] : this.shape.right[arc];
      const other = beside < 0 ? -1 : this.cell[beside];
      source.border += other === from ? length : -length;
      goal.border += other === to ? -length : length;
    });
    source.units.delete(unit);
    goal.units.add(unit);
    source.homes -= homes;
    goal.homes += homes;
    source.area -= this.shape.area[unit];
    goal.area += this.shape.area[unit];
    const born = this.start[unit];
    if (this.cells[born].dedicated) { source.reserved--; goal.reserved++; }
    if (born === from) source.left++; else { source.came--; source.arrived -= homes; }
    if (born === to) goal.left--; else { goal.came++; goal.arrived += homes; }
    source.pieces = goal.pieces = -1;
    this.cell[unit] = to;
    for (const set of [this.dirty, this.touched, this.stale]) set.add(from).add(to);
  }

  /* ----- the change file ----- */

  /** Return the change file: only where each unit ends, not how it came there. */
  changes() {
    const moves = {}, names = {}, approve = {}, locked = [], finished = [];
    for (let unit = 0; unit < this.count; unit++) {
      if (this.cell[unit] === this.start[unit]) continue;
      (moves[this.cells[this.cell[unit]].code] ||= []).push(this.label[unit]);
    }
    this.cells.forEach((cell, at) => {
      if (!this.lives(at)) return;
      if (cell.name && cell.name !== (cell.before ? cell.before.name : '')) names[cell.code] = cell.name;
      if (cell.reason) approve[cell.code] = cell.reason;
      if (cell.locked) (this.changed(at) ? finished : locked).push(cell.code);
    });
    return { schema: 'gridmap.changes/1', grid: this.data.grid, moves: ordered(moves),
      names: ordered(names), approve: ordered(approve), locked: locked.sort(), finished: finished.sort(),
      note: this.note };
  }

  /** Take over a change file as one step; return '' or what is wrong with it. */
  read(document) {
    if (!document || document.schema !== 'gridmap.changes/1') return 'schema';
    if (document.grid !== this.data.grid) return 'grid';
    if (document.cuts && document.cuts.length) return 'cuts';
    if (Object.keys(document.hand || {}).length) return 'hand';
    const goal = new Map();
    for (const [code, labels] of Object.entries(document.moves || {})) {
      if (!this.codes.has(code) && !code.startsWith('new:')) return 'cell';
      for (const label of labels) {
        const unit = this.place.get(String(label));
        if (unit === undefined) return 'unit';
        if (goal.has(unit)) return 'twice';
        goal.set(unit, code);
      }
    }
    this.step('open', () => this.replace(document, goal));
    return '';
  }

  replace(document, goal) {
    this.cells.forEach((_, at) => {
      this.lock(at, false);
      this.approve(at, '');
      if (this.cells[at].before) this.rename(at, this.cells[at].before.name);
    });
    for (let unit = 0; unit < this.count; unit++) {
      const code = goal.get(unit);
      const to = code === undefined ? this.start[unit] : this.named(code, unit);
      if (to !== this.cell[unit]) this.send(unit, to);
    }
    const each = (table, act) => Object.entries(table || {})
      .forEach(([code, value]) => { if (this.codes.has(code)) act(this.codes.get(code), value); });
    each(document.names, (at, name) => this.rename(at, name));
    each(document.approve, (at, reason) => this.approve(at, reason));
    [...document.locked || [], ...document.finished || []].forEach((code) => { if (this.codes.has(code)) this.lock(this.codes.get(code), true); });
    this.note = document.note || '';
  }

  named(code, unit) {
    if (!this.codes.has(code)) {
      this.add(code, this.parent[unit]);
      this.fresh = Math.max(this.fresh, parseInt(code.slice(4), 10) || 0);
    }
    return this.codes.get(code);
  }
}

function blank(code, rest) {
  return { code, ...rest, units: new Set(), homes: 0, area: 0, border: 0, pieces: -1, came: 0,
    left: 0, arrived: 0, reserved: 0, locked: false, reason: '', before: null };
}

const distance = (homes, [low, high]) => Math.max(low - homes, homes - high, 0);

function ordered(table) {
  return Object.fromEntries(Object.keys(table).sort().map((key) => [key, table[key]]));
}

/** Return the ring of all that lies left of a line whose ends run on to infinity. */
export function leftOf(line, [west, south, east, north]) {
  const far = 4 * (east - west + north - south + 1);
  const run = (from, to) => {
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]) || 1;
    return [to[0] + far * (to[0] - from[0]) / length, to[1] + far * (to[1] - from[1]) / length];
  };
  const tail = run(line[1], line[0]);
  const head = run(line[line.length - 2], line[line.length - 1]);
  const [mx, my] = [(west + east) / 2, (south + north) / 2];
  const angle = (point) => Math.atan2(point[1] - my, point[0] - mx);
  const from = angle(head);
  let turn = angle(tail) - from;
  if (turn <= 0) turn += 2 * Math.PI;
  const around = [1, 2, 3, 4, 5, 6, 7].map((k) => from + turn * k / 8)
    .map((a) => [mx + 2 * far * Math.cos(a), my + 2 * far * Math.sin(a)]);
  return [tail, ...line, head, ...around];
}

/** A raster of boxes, to find the unit at a point or the units in a rectangle. */
export class Index {
  constructor(shape) {
    this.shape = shape;
    const { box, count } = shape;
    let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
    for (let i = 0; i < count; i++) {
      west = Math.min(west, box[4 * i]);
      south = Math.min(south, box[4 * i + 1]);
      east = Math.max(east, box[4 * i + 2]);
      north = Math.max(north, box[4 * i + 3]);
    }
    this.west = west;
    this.south = south;
    this.side = Math.max(Math.sqrt((east - west) * (north - south) / Math.max(count, 1)), 1e-9);
    this.columns = Math.floor((east - west) / this.side) + 1;
    this.rows = Math.floor((north - south) / this.side) + 1;
    this.bins = Array.from({ length: this.columns * this.rows }, () => []);
    for (let i = 0; i < count; i++) {
      this.each(box[4 * i], box[4 * i + 1], box[4 * i + 2], box[4 * i + 3], (bin) => bin.push(i));
    }
  }

  each(west, south, east, north, act) {
    const clamp = (value, top) => Math.min(Math.max(Math.floor(value), 0), top - 1);
    const [c0, c1] = [west, east].map((x) => clamp((x - this.west) / this.side, this.columns));
    const [r0, r1] = [south, north].map((y) => clamp((y - this.south) / this.side, this.rows));
    for (let r = r0; r <= r1; r++) for (let c = c0; c <= c1; c++) act(this.bins[r * this.columns + c]);
  }

  at(x, y) {
    let found = -1;
    this.each(x, y, x, y, (bin) => {
      for (const i of bin) if (found < 0 && within(this.shape, i, x, y)) found = i;
    });
    return found;
  }

  inside(west, south, east, north) {
    const found = new Set();
    const { box } = this.shape;
    this.each(west, south, east, north, (bin) => {
      for (const i of bin) {
        if (box[4 * i] <= east && box[4 * i + 2] >= west && box[4 * i + 1] <= north && box[4 * i + 3] >= south) found.add(i);
      }
    });
    return found;
  }
}
