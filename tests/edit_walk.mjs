/* Walk at random through the edits of a plan; print after each what the page would show and save.
   node tests/edit_walk.mjs ENGINE.mjs PLAN.json SEED STEPS */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [engine, file, seed, steps] = process.argv.slice(2);
const { Plan } = await import(pathToFileURL(engine));
const plan = new Plan(JSON.parse(readFileSync(file, 'utf8')));

let state = Number(seed) >>> 0;
function random() { // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = (n) => Math.floor(random() * n);
const any = (list) => list[below(list.length)];
const living = () => plan.cells.map((_, at) => at).filter((at) => plan.lives(at));

function rimPair() {
  for (let tries = 0; tries < 200; tries++) {
    const unit = below(plan.count);
    const beside = plan.cellsBeside(unit);
    if (beside.length) return [unit, any(beside)];
  }
  return [0, plan.cell[0]];
}

const edits = {
  brush() { const [unit, cell] = rimPair(); plan.brush(unit, cell); },
  lone() { const [unit, cell] = rimPair(); plan.move([unit], cell); },
  lasso() {
    const unit = below(plan.count), side = 60 + 200 * random();
    const x = plan.shape.x[unit], y = plan.shape.y[unit];
    const ring = [[x - side, y - side], [x + side, y - side], [x + side, y + side], [x - side, y + side]];
    plan.move(plan.lassoed(ring), random() < 0.7 ? plan.cell[unit] : any(living()));
  },
  create() { const [unit] = rimPair(); plan.create([unit, ...plan.neighbours(unit)].filter((one) => plan.parent[one] === plan.parent[unit])); },
  merge() { const [unit, cell] = rimPair(); plan.merge([plan.cell[unit], cell]); },
  split() {
    const at = any(living());
    const unit = any([...plan.cells[at].units]);
    const [x, y, turn] = [plan.shape.x[unit], plan.shape.y[unit], Math.PI * random()];
    const reach = 2000 * random();
    plan.split(at, [[x - reach * Math.cos(turn), y - reach * Math.sin(turn)], [x, y], [x + reach * Math.cos(turn), y + reach * Math.sin(turn)]]);
  },
  tune() { const list = plan.todo(); if (list.length) plan.tune(any(list).cell); },
  approve() { for (const { cell } of plan.todo()) plan.approve(cell, `reason ${cell}`); },
  lock() { const at = any(living()); plan.lock(at, !plan.cells[at].locked); },
  unlock() { plan.cells.forEach((cell, at) => plan.lock(at, false)); },
  rename() { plan.rename(any(living()), `name ${below(1000)}`); },
  undo() { plan.undo(); },
  redo() { plan.redo(); },
  reopen() { const saved = plan.changes(); const fault = plan.read(saved); if (fault) throw new Error(fault); },
  restart() { while (plan.undo()); },
};
const deck = Object.entries({ brush: 40, lone: 6, lasso: 5, create: 3, merge: 5, split: 5, tune: 12, approve: 5,
  lock: 1, unlock: 1, rename: 2, undo: 9, redo: 4, reopen: 1, restart: 1 }).flatMap(([name, count]) => Array(count).fill(name));

const whole = plan.total;
for (let step = 0; step < Number(steps); step++) {
  const name = any(deck);
  edits[name]();
  const cells = {};
  let sum = 0;
  plan.cells.forEach((cell, at) => {
    sum += cell.homes;
    if (plan.lives(at) && plan.changed(at)) {
      cells[cell.code] = { households: cell.homes, pieces: plan.pieces(at), inBand: plan.inBand(at),
        faults: plan.faults(at), area: cell.area, border: cell.border };
    }
  });
  if (sum !== whole) throw new Error(`${sum} of ${whole} households after ${name}`);
  process.stdout.write(JSON.stringify({ edit: name, good: plan.good, cells, moved: plan.difference().moved, changes: plan.changes() }) + '\n');
}
