/* The cells of a gridmap page: shared arcs, unpacked once and painted on one canvas. */
(function () {
  'use strict';

  const HALF_WORLD = 20037508.342789244; // metres of EPSG:3857 from the origin to its edge
  const FONT = '"Microsoft YaHei","PingFang SC","Noto Sans CJK SC","Source Han Sans SC",' +
    '"WenQuanYi Micro Hei","Helvetica Neue",Arial,sans-serif';
  const INK = '#1b262c';
  const HALO = 'rgba(255,255,255,.92)';
  const MOST_SOUGHT = 300;

  /* ---------- unpacking ---------- */

  /** Unpack a payload into flat arrays: vertices, arcs, rings, cells. */
  function unpack(packed) {
    const parts = packed.parts.map(varints);
    const start = running(parts[0]);
    const X = new Float64Array(start[start.length - 1]);
    const Y = new Float64Array(X.length);
    let x = 0;
    let y = 0;
    const steps = parts[1];
    for (let i = 0; i < X.length; i++) {
      const dx = steps[2 * i];
      const dy = steps[2 * i + 1];
      x += dx % 2 ? -(dx + 1) / 2 : dx / 2;
      y += dy % 2 ? -(dy + 1) / 2 : dy / 2;
      X[i] = packed.origin[0] + x * packed.quantum;
      Y[i] = packed.origin[1] + y * packed.quantum;
    }
    const uses = new Int32Array(parts[4].length);
    let last = 0;
    for (let i = 0; i < uses.length; i++) uses[i] = last += signed(parts[4][i]);
    const shape = {
      X: X, Y: Y, start: start, arcs: start.length - 1, cells: packed.cells,
      rings: running(parts[2]), ringUses: running(parts[3]), uses: uses,
    };
    measure(shape);
    return shape;
  }

  /** Find the box of each cell and the two cells beside each arc (-1: outside). */
  function measure(shape) {
    const span = boxesOfArcs(shape);
    const box = shape.box = new Float64Array(4 * shape.cells);
    const left = shape.left = new Int32Array(shape.arcs).fill(-1);
    const right = shape.right = new Int32Array(shape.arcs).fill(-1);
    for (let cell = 0; cell < shape.cells; cell++) {
      let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
      const to = shape.ringUses[shape.rings[cell + 1]];
      for (let i = shape.ringUses[shape.rings[cell]]; i < to; i++) {
        const arc = shape.uses[i] >> 1;
        if (shape.uses[i] & 1) right[arc] = cell; else left[arc] = cell;
        if (span[4 * arc] < west) west = span[4 * arc];
        if (span[4 * arc + 1] < south) south = span[4 * arc + 1];
        if (span[4 * arc + 2] > east) east = span[4 * arc + 2];
        if (span[4 * arc + 3] > north) north = span[4 * arc + 3];
      }
      box[4 * cell] = west;
      box[4 * cell + 1] = south;
      box[4 * cell + 2] = east;
      box[4 * cell + 3] = north;
    }
  }

  function boxesOfArcs(shape) {
    const span = new Float64Array(4 * shape.arcs);
    for (let arc = 0; arc < shape.arcs; arc++) {
      let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
      for (let v = shape.start[arc]; v < shape.start[arc + 1]; v++) {
        if (shape.X[v] < west) west = shape.X[v];
        if (shape.X[v] > east) east = shape.X[v];
        if (shape.Y[v] < south) south = shape.Y[v];
        if (shape.Y[v] > north) north = shape.Y[v];
      }
      span[4 * arc] = west;
      span[4 * arc + 1] = south;
      span[4 * arc + 2] = east;
      span[4 * arc + 3] = north;
    }
    return span;
  }

  function eachUse(shape, cell, act) {
    const from = shape.ringUses[shape.rings[cell]];
    const to = shape.ringUses[shape.rings[cell + 1]];
    for (let i = from; i < to; i++) act(shape.uses[i]);
  }

  function insideCell(shape, cell, x, y) {
    if (x < shape.box[4 * cell] || x > shape.box[4 * cell + 2]) return false;
    if (y < shape.box[4 * cell + 1] || y > shape.box[4 * cell + 3]) return false;
    let inside = false;
    eachUse(shape, cell, (use) => {
      const arc = use >> 1;
      for (let b = shape.start[arc] + 1; b < shape.start[arc + 1]; b++) {
        const a = b - 1;
        if ((shape.Y[a] > y) !== (shape.Y[b] > y) &&
            x < (shape.X[b] - shape.X[a]) * (y - shape.Y[a]) / (shape.Y[b] - shape.Y[a]) + shape.X[a]) {
          inside = !inside;
        }
      }
    });
    return inside;
  }

  /** A place for a word in a cell: its middle, or the middle of the widest stretch at that height. */
  function anchor(shape, cell) {
    const known = shape.anchors || (shape.anchors = {});
    if (known[cell]) return known[cell];
    const box = shape.box;
    const x = (box[4 * cell] + box[4 * cell + 2]) / 2;
    const y = (box[4 * cell + 1] + box[4 * cell + 3]) / 2;
    if (insideCell(shape, cell, x, y)) return (known[cell] = [x, y]);
    const crossed = [];
    eachUse(shape, cell, (use) => {
      for (let b = shape.start[use >> 1] + 1; b < shape.start[(use >> 1) + 1]; b++) {
        const a = b - 1;
        if ((shape.Y[a] > y) === (shape.Y[b] > y)) continue;
        crossed.push((shape.X[b] - shape.X[a]) * (y - shape.Y[a]) / (shape.Y[b] - shape.Y[a]) + shape.X[a]);
      }
    });
    crossed.sort((a, b) => a - b);
    let best = [x, x];
    for (let k = 0; k + 1 < crossed.length; k += 2) {
      if (crossed[k + 1] - crossed[k] > best[1] - best[0]) best = [crossed[k], crossed[k + 1]];
    }
    return (known[cell] = [(best[0] + best[1]) / 2, y]);
  }

  function pick(shape, x, y) {
    for (let cell = 0; cell < shape.cells; cell++) if (insideCell(shape, cell, x, y)) return cell;
    return -1;
  }

  /** Undo front coding: each text starts with how many characters it shares with the one before. */
  function texts(coded) {
    let before = '';
    const parts = typeof coded === 'string' ? coded.split('|') : coded;
    return parts.map((text) => (before = before.slice(0, parseInt(text[0], 36)) + text.slice(1)));
  }

  /** One digit a cell, as '0' + class. */
  function classes(digits) {
    const out = new Uint8Array(digits.length);
    for (let i = 0; i < out.length; i++) out[i] = digits.charCodeAt(i) - 48;
    return out;
  }

  /* ---------- painting ---------- */
  // A view is {scale, dx, dy, width, height, factor}: pixels = X * scale + dx, dy - Y * scale.
  // Nothing here knows Leaflet, so the same code paints the screen, the PNG and the print.

  function Painter(data) {
    this.data = data;
    this.shape = data.shape;
    this.size = new Float32Array(this.shape.cells);
    for (let i = 0; i < this.size.length; i++) {
      this.size[i] = Math.min(this.shape.box[4 * i + 2] - this.shape.box[4 * i],
        this.shape.box[4 * i + 3] - this.shape.box[4 * i + 1]);
    }
    this.typical = Float32Array.from(this.size).sort()[this.size.length >> 1];
    this.border = sortBorders(this.shape, data.levels);
    this.rims = rims(this.shape);
    this.rimArcs = this.rims.flat().map((use) => use >> 1);
    // what stands under the density, whose colours must not mix with those of a theme
    this.plain = { classes: [{ color: '#eef1f2' }], of: new Uint8Array(this.shape.cells) };
  }

  /** Tell of each arc which level it divides (the coarsest), how many levels when none, -1 outside. */
  function sortBorders(shape, levels) {
    const sorted = new Int16Array(shape.arcs).fill(levels.length);
    for (let arc = 0; arc < shape.arcs; arc++) {
      const a = shape.left[arc];
      const b = shape.right[arc];
      if (a < 0 || b < 0) {
        sorted[arc] = -1;
        continue;
      }
      for (let k = levels.length - 1; k >= 0; k--) if (levels[k].of[a] !== levels[k].of[b]) sorted[arc] = k;
    }
    return sorted;
  }

  /** Chain the rings around all cells together, of the arcs that no two cells walk against each other. */
  function rims(shape) {
    const net = new Int32Array(shape.arcs);
    for (const use of shape.uses) net[use >> 1] += use & 1 ? -1 : 1;
    const leaving = new Map();
    const at = (use, last) => {
      const v = Boolean(use & 1) === last ? shape.start[use >> 1] : shape.start[(use >> 1) + 1] - 1;
      return shape.X[v] + ' ' + shape.Y[v];
    };
    for (let arc = 0; arc < shape.arcs; arc++) {
      for (let k = 0; k < Math.abs(net[arc]); k++) {
        const use = 2 * arc + (net[arc] < 0 ? 1 : 0);
        const key = at(use, false);
        if (leaving.has(key)) leaving.get(key).push(use); else leaving.set(key, [use]);
      }
    }
    const rings = [];
    for (const uses of leaving.values()) {
      while (uses.length) {
        const ring = [uses.pop()];
        for (let on = leaving.get(at(ring[0], true)); on && on.length;) {
          ring.push(on.pop());
          on = leaving.get(at(ring[ring.length - 1], true));
        }
        rings.push(ring);
      }
    }
    return rings;
  }

  /** Paint all but the names: into the whole view, or into a part of it ([x, y, width, height]). */
  Painter.prototype.paint = function (pen, view, theme, show, part) {
    const visible = this.visible(view, part || [0, 0, view.width, view.height]);
    const pixels = project(this.shape, view, arcsOf(this.shape, visible));
    const heat = show.heat && this.data.heat;
    const fill = (ink) => this.fill(ink, view, heat ? this.plain : theme, pixels, visible);
    if (this.data.ground) overGround(pen, view, this.data.ground, fill); else fill(pen);
    if (heat) paintImage(pen, view, this.data.heat, 0.85);
    pen.lineJoin = 'round';
    const sorted = this.sorted(pixels.arcs);
    if (show.borders !== false) this.cellBorders(pen, view, pixels);
    if (show.levels) this.levelBorders(pen, view, pixels, sorted);
    if (show.borders !== false) stroke(pen, pixels, sorted.outline, 2 * view.factor, '#263238');
    if (show.old && this.data.old) {
      const old = project(this.data.old, view, arcsOf(this.data.old, all(this.data.old)));
      pen.setLineDash([6 * view.factor, 4 * view.factor]);
      stroke(pen, old, old.arcs, 1.6 * view.factor, '#b23b00');
      pen.setLineDash([]);
    }
    if (!heat) this.sought(pen, view, theme, show.marks && this.data.marks);
    if (show.marks && this.data.marks) paintMarks(pen, view, this.data.marks);
  };

  /** Outline the few cells that a map is about, and ring those too small to be found at a glance. */
  Painter.prototype.sought = function (pen, view, theme, marked) {
    const cells = seek(theme);
    if (cells.length > MOST_SOUGHT) return; // so many are seen without
    theme.classes.forEach((row, k) => {
      const own = row.seek ? cells.filter((cell) => theme.of[cell] === k) : [];
      if (!own.length) return;
      this.outline(pen, view, own, row.seek);
      if (marked) return; // marks are found by their forms
      const box = this.shape.box;
      for (const i of own) {
        const wide = (box[4 * i + 2] - box[4 * i]) * view.scale;
        const high = (box[4 * i + 3] - box[4 * i + 1]) * view.scale;
        if (Math.max(wide, high) > 26 * view.factor) continue;
        ring(pen, (box[4 * i] + box[4 * i + 2]) / 2 * view.scale + view.dx,
          view.dy - (box[4 * i + 1] + box[4 * i + 3]) / 2 * view.scale, 15, row.seek, view.factor);
      }
    });
  };

  /** List the cells of the classes that are sought, if any. */
  function seek(theme) {
    if (theme.sought) return theme.sought;
    const found = [];
    if (theme.classes.some((row) => row.seek)) {
      theme.of.forEach((k, cell) => theme.classes[k].seek && found.push(cell));
    }
    return (theme.sought = found);
  }

  function ring(pen, x, y, radius, color, factor) {
    for (const [width, style] of [[6, '#fff'], [3, color]]) {
      pen.beginPath();
      pen.arc(x, y, radius * factor, 0, 7);
      pen.lineWidth = width * factor;
      pen.strokeStyle = style;
      pen.stroke();
    }
  }

  /** Draw the form of a kind of marks, a path of SVG around 0, 0, on a white edge. */
  function symbol(pen, x, y, radius, kind, factor) {
    const path = new Path2D();
    path.addPath(new Path2D(kind.form), new DOMMatrix([radius * factor, 0, 0, radius * factor, x, y]));
    for (const [width, style] of [[5, '#fff'], [2.5, kind.color]]) {
      pen.lineWidth = width * factor;
      pen.strokeStyle = style;
      pen.stroke(path);
    }
  }

  Painter.prototype.names = function (pen, view, show) {
    if (show.labels) paintLabels(pen, view, this.data, this.size, this.typical, show.marks && this.data.marks);
  };

  /** Sort arcs that are seen: those of each level, and the outline. */
  Painter.prototype.sorted = function (arcs) {
    const sorted = { level: this.data.levels.map(() => []), outline: [] };
    for (const arc of arcs) {
      const k = this.border[arc];
      if (k < 0) sorted.outline.push(arc); else if (k < sorted.level.length) sorted.level[k].push(arc);
    }
    return sorted;
  };

  /** Paint cells beside the picture first, then over it as one: their colours never add up. */
  function overGround(pen, view, ground, fill) {
    const sheet = document.createElement('canvas');
    sheet.width = pen.canvas.width;
    sheet.height = pen.canvas.height;
    const ink = sheet.getContext('2d');
    ink.setTransform(pen.getTransform());
    fill(ink);
    paintImage(pen, view, ground, 1);
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalAlpha = ground.opacity;
    pen.drawImage(sheet, 0, 0);
    pen.restore();
  }

  /** List the arcs of some cells, each once. */
  function arcsOf(shape, cells) {
    const found = [];
    const taken = shape.taken || (shape.taken = new Uint32Array(shape.arcs));
    const now = shape.turn = (shape.turn || 0) + 1;
    for (const cell of cells) {
      const to = shape.ringUses[shape.rings[cell + 1]];
      for (let i = shape.ringUses[shape.rings[cell]]; i < to; i++) {
        const arc = shape.uses[i] >> 1;
        if (taken[arc] === now) continue;
        taken[arc] = now;
        found.push(arc);
      }
    }
    return found;
  }

  /** Project arcs to pixels, dropping vertices nearer than a pixel; ends always stay. */
  function project(shape, view, arcs) {
    const from = shape.from || (shape.from = new Uint32Array(shape.arcs)); // kept, as they are large
    const to = shape.to || (shape.to = new Uint32Array(shape.arcs));
    let most = 0;
    for (const arc of arcs) most += shape.start[arc + 1] - shape.start[arc];
    const x = new Float32Array(most);
    const y = new Float32Array(most);
    let kept = 0;
    for (const arc of arcs) {
      const last = shape.start[arc + 1] - 1;
      let px = Infinity;
      let py = Infinity;
      from[arc] = kept;
      for (let v = shape.start[arc]; v <= last; v++) {
        const vx = shape.X[v] * view.scale; // without the place of the map: the same are dropped anywhere
        const vy = shape.Y[v] * view.scale;
        if (v === last || Math.abs(vx - px) + Math.abs(vy - py) > 1) {
          px = vx;
          py = vy;
          x[kept] = vx + view.dx;
          y[kept] = view.dy - vy;
          kept++;
        }
      }
      to[arc] = kept;
    }
    return { x: x, y: y, from: from, to: to, arcs: arcs };
  }

  Painter.prototype.visible = function (view, part) {
    const box = this.shape.box;
    const out = [];
    const more = 6 * view.factor; // as far as a line reaches beyond its cell
    const west = (part[0] - more - view.dx) / view.scale;
    const east = (part[0] + part[2] + more - view.dx) / view.scale;
    const north = (view.dy - part[1] + more) / view.scale;
    const south = (view.dy - part[1] - part[3] - more) / view.scale;
    for (let i = 0; i < this.shape.cells; i++) {
      if (box[4 * i + 2] >= west && box[4 * i] <= east && box[4 * i + 3] >= south &&
        box[4 * i + 1] <= north) out.push(i);
    }
    return out;
  };

  Painter.prototype.fill = function (pen, view, theme, pixels, visible) {
    const paths = theme.classes.map(() => null);
    for (const cell of visible) {
      const k = theme.of[cell];
      trace(paths[k] || (paths[k] = new Path2D()), this.shape, pixels, cell);
    }
    // A mid tone under everything, so the soft edges of two neighbours do not let the page through.
    pen.fillStyle = theme.classes[theme.classes.length >> 1].color;
    pen.fill(this.under(view), 'nonzero');
    paths.forEach((path, k) => {
      if (!path) return;
      pen.fillStyle = theme.classes[k].color;
      pen.fill(path, 'nonzero');
      if (!theme.classes[k].hatch) return;
      pen.fillStyle = hatch(pen, theme.classes[k].hatch, view);
      pen.fill(path, 'nonzero');
    });
  };

  /** The ground on which all cells stand: where any cell is, but not where each begins. */
  Painter.prototype.under = function (view) {
    const path = new Path2D();
    const kept = [this.shape.from, this.shape.to]; // the cells' own are still in use
    this.shape.from = this.shape.to = null;
    const pixels = project(this.shape, view, this.rimArcs);
    [this.shape.from, this.shape.to] = kept;
    for (const ring of this.rims) walkRing(path, pixels, ring, 0, ring.length);
    return path;
  };

  function trace(pen, shape, pixels, cell) {
    for (let ring = shape.rings[cell]; ring < shape.rings[cell + 1]; ring++) {
      walkRing(pen, pixels, shape.uses, shape.ringUses[ring], shape.ringUses[ring + 1]);
    }
  }

  /** Draw arcs one after the other. A ring ends where it began; closePath costs much with many rings. */
  function walkRing(pen, pixels, uses, first, past) {
    for (let i = first; i < past; i++) {
      const arc = uses[i] >> 1;
      const back = uses[i] & 1;
      const a = pixels.from[arc];
      const b = pixels.to[arc] - 1;
      let v = back ? b : a;
      const end = back ? a : b;
      const step = back ? -1 : 1;
      if (i === first) pen.moveTo(pixels.x[v], pixels.y[v]);
      while (v !== end) {
        v += step;
        pen.lineTo(pixels.x[v], pixels.y[v]);
      }
    }
  }

  const tiles = {};

  function hatch(pen, color, view) {
    const dense = pen.getTransform().a; // a tile has the pixels of the screen, not those of the page
    const factor = view.factor * dense;
    const key = color + factor;
    if (!tiles[key]) {
      const side = Math.round(6 * factor);
      const tile = document.createElement('canvas');
      tile.width = tile.height = side;
      const ink = tile.getContext('2d');
      ink.strokeStyle = color;
      ink.lineWidth = Math.max(1, factor);
      ink.beginPath();
      for (const shift of [-side, 0, side]) {
        ink.moveTo(shift - 1, side + 1);
        ink.lineTo(shift + side + 1, -1);
      }
      ink.stroke();
      tiles[key] = tile;
    }
    const pattern = pen.createPattern(tiles[key], 'repeat');
    const side = tiles[key].width;
    const [x, y] = [view.dx, view.dy].map((at) => Math.round(at * dense) % side / dense); // moves with the map
    pattern.setTransform(new DOMMatrix([1 / dense, 0, 0, 1 / dense, x, y]));
    return pattern;
  }

  function stroke(pen, pixels, arcs, width, color) {
    pen.beginPath();
    for (const arc of arcs) {
      pen.moveTo(pixels.x[pixels.from[arc]], pixels.y[pixels.from[arc]]);
      for (let v = pixels.from[arc] + 1; v < pixels.to[arc]; v++) pen.lineTo(pixels.x[v], pixels.y[v]);
    }
    pen.lineWidth = width;
    pen.strokeStyle = color;
    pen.stroke();
  }

  /** Borders between cells appear as the cells grow large enough to tell apart. */
  Painter.prototype.cellBorders = function (pen, view, pixels) {
    const shape = this.shape;
    const thin = [];
    const thick = [];
    for (const arc of pixels.arcs) {
      if (this.border[arc] < 0) continue;
      const size = Math.min(this.size[shape.left[arc]], this.size[shape.right[arc]]) * view.scale / view.factor;
      if (size >= 24) thick.push(arc); else if (size >= 9) thin.push(arc);
    }
    stroke(pen, pixels, thin, 0.35 * view.factor, '#ffffff');
    stroke(pen, pixels, thick, 0.9 * view.factor, '#ffffff');
  };

  Painter.prototype.levelBorders = function (pen, view, pixels, sorted) {
    const levels = sorted.level;
    for (let i = levels.length - 1; i >= 0; i--) {
      if (!levelShows(this.data.levels[i], i, view)) continue;
      const look = borderLook(i, levels.length);
      const width = look.width * view.factor;
      stroke(pen, pixels, levels[i], width + 1.5 * view.factor, 'rgba(255,255,255,.8)');
      stroke(pen, pixels, levels[i], width, look.color);
    }
  };

  /** Coarse levels have heavier borders; the finest of several is only hinted at. */
  function borderLook(rank, count) {
    if (rank === 0) return { width: count > 2 ? 2 : 1.3, color: '#2f3d44' };
    return rank === count - 1 ? { width: 0.8, color: '#78868d' } : { width: 1.2, color: '#44545c' };
  }

  /** Coarse levels have larger, heavier names. */
  function nameLook(rank, count) {
    if (rank === 0) return { points: count > 2 ? 15 : 13, weight: '700 ', color: INK };
    return rank === count - 1 ? { points: 11.5, weight: '', color: '#37474f' } : { points: 12.5, weight: '600 ', color: '#26343b' };
  }

  /** A level is drawn when its places are large enough on the screen; the coarsest always. */
  function levelShows(level, rank, view) {
    return rank === 0 || level.spacing * view.scale / view.factor > 46;
  }

  /** Names of a finer level wait until its places are wider than the names. */
  function namesFit(pen, level, rank, view) {
    if (rank === 0 || !level.names.length) return true;
    const middle = level.names.map((name) => name.length).sort((a, b) => a - b)[level.names.length >> 1];
    const sample = level.names.find((name) => name.length === middle);
    return level.spacing * view.scale > 1.45 * pen.measureText(sample).width;
  }

  function paintImage(pen, view, image, alpha) {
    if (!image.element.complete || !image.element.naturalWidth) return;
    const x = image.west * view.scale + view.dx;
    const y = view.dy - image.north * view.scale;
    pen.globalAlpha = alpha;
    pen.drawImage(image.element, x, y, (image.east - image.west) * view.scale,
      (image.north - image.south) * view.scale);
    pen.globalAlpha = 1;
  }

  /** Defects and other marks: their shape, and the form of their kind, by which small ones are found. */
  function paintMarks(pen, view, marks) {
    const pixels = project(marks.shape, view, arcsOf(marks.shape, all(marks.shape)));
    for (let i = 0; i < marks.shape.cells; i++) {
      pen.beginPath();
      trace(pen, marks.shape, pixels, i);
      pen.fillStyle = marks.kinds[marks.of[i]].color;
      pen.globalAlpha = marks.pale ? 0 : 0.75; // the colours below are those of the legend
      pen.fill('nonzero');
      pen.globalAlpha = 1;
      pen.lineWidth = 1.5 * view.factor;
      pen.strokeStyle = marks.kinds[marks.of[i]].color;
      pen.stroke();
    }
    if (!marks.xy) return;
    marks.xy.forEach(([x, y], i) => symbol(pen, x * view.scale + view.dx, view.dy - y * view.scale,
      7, marks.kinds[marks.of[i]], view.factor));
  }

  /** Write names where they collide with no mark and no name written before: coarse levels first. */
  function paintLabels(pen, view, data, size, typical, marks) {
    const taken = marks && marks.xy ? marked(pen, view, marks.xy) : [];
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    if (taken.length) numberMarks(pen, view, marks.xy, taken);
    data.levels.forEach((level, rank) => {
      const look = nameLook(rank, data.levels.length);
      pen.font = look.weight + look.points * view.factor + 'px ' + FONT;
      if (!namesFit(pen, level, rank, view)) return;
      level.order.forEach((k) => {
        const at = level.xy[k];
        write(pen, view, level.names[k], at[0] * view.scale + view.dx,
          view.dy - at[1] * view.scale, look.points, taken, look.color);
      });
    });
    if (typical * view.scale < 52 * view.factor) return;
    pen.font = 10.5 * view.factor + 'px ' + FONT;
    for (let i = 0; i < data.shape.cells; i++) {
      if (size[i] * view.scale < 64 * view.factor) continue;
      const at = anchor(data.shape, i);
      write(pen, view, data.tail(i), at[0] * view.scale + view.dx, view.dy - at[1] * view.scale, 10.5, taken, '#37474f');
    }
  }

  /** Number the marks that are listed beside a printed map, where a number finds room. */
  function numberMarks(pen, view, places, taken) {
    pen.font = '700 ' + 10.5 * view.factor + 'px ' + FONT;
    places.slice(0, view.numbered || 0).forEach(([x, y], i) => [1, -1].some((side) => write(pen, view, String(i + 1),
      x * view.scale + view.dx + side * 20 * view.factor, view.dy - y * view.scale, 10.5, taken, INK)));
  }

  /** Return the boxes of the marks that are seen. */
  function marked(pen, view, places) {
    const half = 9 * view.factor;
    return places.map(([x, y]) => [x * view.scale + view.dx, view.dy - y * view.scale])
      .filter(([x, y]) => x > -half && y > -half && x < pen.canvas.width + half && y < pen.canvas.height + half)
      .map(([x, y]) => [x - half, y - half, x + half, y + half]);
  }

  /** Break a name that is wide for the map into lines, between words or signs of Chinese. */
  function inLines(pen, text, most) {
    if (pen.measureText(text).width <= most) return [text];
    return text.match(/[\u0021-\u024f]+\s*|./gsu).reduce((lines, word) => {
      const longer = lines[lines.length - 1] + word;
      if (pen.measureText(longer).width > most && lines[lines.length - 1]) lines.push(word);
      else lines[lines.length - 1] = longer;
      return lines;
    }, ['']);
  }

  function write(pen, view, text, x, y, points, taken, color) {
    const lines = inLines(pen, text, 0.5 * (view.seen || view.width));
    const half = Math.max(...lines.map((line) => pen.measureText(line).width)) / 2 + 3 * view.factor;
    const pitch = 1.25 * points * view.factor;
    const high = points * 0.75 * view.factor + (lines.length - 1) * pitch / 2;
    if (x < half || y < high || x > view.width - half || y > view.height - high) return false;
    for (const box of taken) {
      if (x - half < box[2] && x + half > box[0] && y - high < box[3] && y + high > box[1]) return false;
    }
    taken.push([x - half, y - high, x + half, y + high]);
    pen.lineWidth = 3.5 * view.factor;
    pen.lineJoin = 'round';
    pen.strokeStyle = HALO;
    pen.fillStyle = color;
    const top = y - (lines.length - 1) * pitch / 2;
    lines.forEach((line, k) => pen.strokeText(line, x, top + k * pitch));
    lines.forEach((line, k) => pen.fillText(line, x, top + k * pitch));
    return true;
  }

  Painter.prototype.outline = function (pen, view, cells, color) {
    const pixels = project(this.shape, view, arcsOf(this.shape, cells));
    pen.beginPath();
    for (const cell of cells) trace(pen, this.shape, pixels, cell);
    pen.lineJoin = 'round';
    for (const [width, style] of [[5, '#fff'], [2.5, color]]) {
      pen.lineWidth = width * view.factor;
      pen.strokeStyle = style;
      pen.stroke();
    }
  };

  /* ---------- the data of a page ---------- */

  /** Make the periods of a theme from what comes in steps; nothing is unpacked before it is asked for. */
  function walk(theme, cells) {
    const steps = theme.steps;
    const starts = running(steps.totals);
    const once = {};
    const where = () => once.where || (once.where = rising(steps.where));
    const byCell = () => once.byCell || (once.byCell = sortedByCell(where(), cells));
    const base = () => once.base || (once.base = steps.base ? numbers(steps.base) : null);
    const counted = (step) => {
      const count = new Uint32Array(cells);
      for (let i = starts[step]; i < starts[step + 1]; i++) count[where()[i] - step * cells]++;
      return count;
    };
    const period = (step) => {
      const count = counted(step);
      const homes = base();
      const values = Array.from(count, (n, cell) => (homes ? (homes[cell] ? 100 * n / homes[cell] : null) : n));
      const of = Uint8Array.from(values, (value) => (value === null ? steps.classes.length - 1
        : value && 1 + steps.edges.findIndex((edge) => value <= edge)));
      const counts = steps.classes.map(() => 0);
      for (const k of of) counts[k]++;
      return {
        values: values, of: of, counts: counts, classes: steps.classes, unit: steps.unit,
        digits: steps.digits, note: '',
      };
    };
    return {
      periods: steps.labels.map((label, k) => ({ label: label, total: steps.totals[k], whole: steps.whole[k] })),
      wholeTime: true,
      at: (step) => (once.step === step ? once.period : (once.step = step, once.period = period(step))),
      history: (cell) => {
        const counts = steps.labels.map(() => 0);
        const own = byCell();
        for (let i = own.starts[cell]; i < own.starts[cell + 1]; i++) counts[own.steps[i]]++;
        return counts;
      },
    };
  }

  /** Sort incidents by cell: where those of each cell start, and the step of each. */
  function sortedByCell(where, cells) {
    const count = new Uint32Array(cells);
    for (const at of where) count[at % cells]++;
    const starts = running(count);
    const next = starts.slice();
    const steps = new Uint8Array(where.length);
    for (const at of where) steps[next[at % cells]++] = Math.floor(at / cells);
    return { starts: starts, steps: steps };
  }

  /** Make ready what Python sent: unpack shapes, texts and classes. */
  function open(sent) {
    const data = Object.assign({}, sent);
    data.shape = unpack(sent.geometry);
    data.code = texts(sent.code);
    data.name = texts(sent.name);
    data.levels = (sent.levels || []).map((level) => Object.assign({}, level, { of: numbers(level.of) }));
    data.columns = (sent.columns || []).map((column) => Object.assign({}, column, { values: numbers(column.values) }));
    const coloured = (one) => Object.assign({}, one, {
      of: classes(one.of), values: one.values ? numbers(one.values) : null,
    });
    data.themes = (sent.themes || []).map((theme) => Object.assign(coloured(theme), theme.steps
      ? walk(theme, data.shape.cells)
      : { periods: theme.periods && theme.periods.map(coloured) }));
    data.old = sent.old ? Object.assign(unpack(sent.old), { label: sent.old.label }) : null;
    data.marks = sent.marks ? Object.assign({}, sent.marks, { shape: unpack(sent.marks.geometry) }) : null;
    data.tail = (i) => {
      const code = data.code[i];
      return code.length <= 8 && !/\d{3}$/.test(code) ? code : code.slice(-3); // new-1 is a whole word
    };
    for (const key of ['heat', 'ground']) {
      if (!sent[key]) continue;
      const image = new Image();
      image.src = sent[key].png || sent[key].src;
      data[key] = Object.assign({ element: image }, sent[key]);
    }
    return data;
  }

  /* ---------- Leaflet ---------- */

  const toLatLng = (x, y) => L.latLng(
    Math.atan(Math.sinh(y / HALF_WORLD * Math.PI)) * 180 / Math.PI, x / HALF_WORLD * 180);

  function boxOf(shape, cells) {
    let west = Infinity, south = Infinity, east = -Infinity, north = -Infinity;
    for (const i of cells) {
      west = Math.min(west, shape.box[4 * i]);
      south = Math.min(south, shape.box[4 * i + 1]);
      east = Math.max(east, shape.box[4 * i + 2]);
      north = Math.max(north, shape.box[4 * i + 3]);
    }
    return [west, south, east, north];
  }

  const toBounds = (box) => L.latLngBounds(toLatLng(box[0], box[1]), toLatLng(box[2], box[3]));

  const Layer = !window.L ? null : L.Layer.extend({
    options: { pane: 'overlayPane', padding: 0.25 },

    initialize: function (data, options) {
      L.setOptions(this, options);
      this.data = data;
      this.painter = new Painter(data);
      this.theme = data.themes[0];
      this.show = Object.assign({ levels: true, labels: true, marks: true, heat: false, old: true },
        options && options.show);
      this.hovered = -1;
      this.chosen = [];
    },

    onAdd: function (map) {
      const make = (name) => {
        const canvas = L.DomUtil.create('canvas', 'leaflet-zoom-animated ' + name, this.getPane());
        canvas.style.pointerEvents = 'none';
        return canvas;
      };
      this._cells = make('gm-cells');
      this._names = make('gm-names');
      this._marks = make('gm-marks');
      if (this.data.opacity) this._cells.style.opacity = this.data.opacity;
      for (const image of [this.data.heat, this.data.ground]) {
        if (image) image.element.onload = () => this.draw();
      }
      map.on('mouseout', this._leave, this);
      this.draw();
      return this;
    },

    onRemove: function (map) {
      map.off('mouseout', this._leave, this);
      this._cells.remove();
      this._names.remove();
      this._marks.remove();
    },

    getEvents: function () {
      return {
        moveend: this._moved, resize: this.draw, zoomanim: this._animate,
        mousemove: this._hover, click: this._click,
      };
    },

    getBounds: function () {
      return toBounds(boxOf(this.data.shape, all(this.data.shape)));
    },

    setTheme: function (theme) {
      this.theme = theme;
      return this.draw();
    },

    highlight: function (cells) {
      this.chosen = cells;
      this._mark();
      return this;
    },

    zoomTo: function (cells, maxZoom) {
      this._map.fitBounds(toBounds(boxOf(this.data.shape, cells)),
        { maxZoom: maxZoom || 16, animate: false, padding: [40, 40] });
      return this;
    },

    draw: function () {
      if (!this._map || this.waits) return this;
      const dense = window.devicePixelRatio || 1;
      this._place();
      for (const canvas of [this._cells, this._names, this._marks]) {
        canvas.width = this.view.width * dense;
        canvas.height = this.view.height * dense;
        canvas.style.width = this.view.width + 'px';
        canvas.style.height = this.view.height + 'px';
      }
      const pen = this._cells.getContext('2d');
      pen.setTransform(dense, 0, 0, dense, 0, 0);
      this.painter.paint(pen, this.view, this.theme, this.show);
      this._write();
      this._mark();
      return this;
    },

    /** Put the canvases around what is seen, and find how metres become pixels there. */
    _place: function () {
      const map = this._map;
      const seen = map.getSize();
      const pad = seen.multiplyBy(this.options.padding).round();
      const corner = map.containerPointToLayerPoint(L.point(0, 0).subtract(pad));
      this._zoom = map.getZoom();
      this._northWest = map.layerPointToLatLng(corner);
      for (const canvas of [this._cells, this._names, this._marks]) L.DomUtil.setTransform(canvas, corner, 1);
      const world = 256 * Math.pow(2, this._zoom);
      this._origin = map.getPixelOrigin(); // another one after a jump
      const origin = this._corner = this._origin.add(corner);
      this.view = {
        scale: world / (2 * HALF_WORLD), dx: world / 2 - origin.x, dy: world / 2 - origin.y,
        width: seen.x + 2 * pad.x, height: seen.y + 2 * pad.y, seen: seen.x, factor: 1,
      };
    },

    /** After a move at the same zoom: shift the picture, and paint only what came into it. */
    _slide: function () {
      const dense = window.devicePixelRatio || 1;
      const before = this._corner;
      const view = this.view;
      this._place();
      const by = before.subtract(this._corner);
      const wide = view.width - Math.abs(by.x);
      const high = view.height - Math.abs(by.y);
      const whole = Number.isInteger(by.x * dense) && Number.isInteger(by.y * dense);
      const same = this.view.width === view.width && this.view.height === view.height;
      if (!whole || !same || wide <= 0 || high <= 0) return this.draw();
      const pen = this._cells.getContext('2d');
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.globalCompositeOperation = 'copy';
      pen.drawImage(this._cells, by.x * dense, by.y * dense);
      pen.globalCompositeOperation = 'source-over';
      pen.setTransform(dense, 0, 0, dense, 0, 0);
      this._strip(pen, [by.x > 0 ? 0 : wide, 0, Math.abs(by.x), view.height]);
      this._strip(pen, [by.x > 0 ? by.x : 0, by.y > 0 ? 0 : high, wide, Math.abs(by.y)]);
      this._write();
      this._mark();
      return this;
    },

    _strip: function (pen, part) {
      if (!part[2] || !part[3]) return;
      pen.save();
      pen.beginPath();
      pen.rect(part[0], part[1], part[2], part[3]);
      pen.clip();
      this.painter.paint(pen, this.view, this.theme, this.show, part);
      pen.restore();
    },

    _write: function () {
      const pen = this._wiped(this._names);
      this.painter.names(pen, this.view, this.show);
    },

    _wiped: function (canvas) {
      const dense = window.devicePixelRatio || 1;
      const pen = canvas.getContext('2d');
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      pen.setTransform(dense, 0, 0, dense, 0, 0);
      return pen;
    },

    _moved: function () {
      const map = this._map;
      const corner = map.containerPointToLayerPoint([0, 0]).add(map.getPixelOrigin());
      const size = map.getSize();
      const still = this.view && this._zoom === map.getZoom();
      const covered = still && this._origin.equals(map.getPixelOrigin()) &&
        corner.x >= this._corner.x && corner.y >= this._corner.y &&
        corner.x + size.x <= this._corner.x + this.view.width &&
        corner.y + size.y <= this._corner.y + this.view.height;
      if (!covered) still && !this.waits ? this._slide() : this.draw();
    },

    _animate: function (event) {
      const scale = this._map.getZoomScale(event.zoom, this._zoom);
      const at = this._map._latLngToNewLayerPoint(this._northWest, event.zoom, event.center);
      for (const canvas of [this._cells, this._names, this._marks]) L.DomUtil.setTransform(canvas, at, scale);
    },

    _mark: function () {
      if (!this.view) return;
      const pen = this._wiped(this._marks);
      if (this.chosen.length) this.painter.outline(pen, this.view, this.chosen, '#0b57a4');
      if (this.hovered >= 0) this.painter.outline(pen, this.view, [this.hovered], '#111');
    },

    _at: function (event) {
      const point = L.CRS.EPSG3857.project(event.latlng);
      return pick(this.data.shape, point.x, point.y);
    },

    _hover: function (event) {
      const cell = this._at(event);
      if (cell === this.hovered) return;
      this.hovered = cell;
      this._mark();
      this.fire('hover', { cell: cell, latlng: event.latlng });
    },

    _leave: function () {
      this.hovered = -1;
      this._mark();
      this.fire('hover', { cell: -1 });
    },

    _click: function (event) {
      this.fire('choose', { cell: this._at(event), latlng: event.latlng });
    },
  });

  function all(shape) {
    const cells = new Uint32Array(shape.cells);
    for (let i = 0; i < cells.length; i++) cells[i] = i;
    return cells;
  }

  /** Read the JSON of an inert script element. */
  const read = (id) => JSON.parse(document.getElementById(id).textContent);

  window.gridmap = {
    open: open, read: read, unpack: unpack, Painter: Painter, Layer: Layer, FONT: FONT, INK: INK,
    boxOf: boxOf, toBounds: toBounds, all: all, seek: seek, symbol: symbol, rooms: [],
  };
})();
