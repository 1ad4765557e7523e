/* The briefing: one map, and tables whose rows lead to it. */
(function () {
  'use strict';

  const G = window.gridmap;
  const data = G.open(G.read('gridmap-data'));
  const map = L.map('map', {
    zoomSnap: 0.1, zoomDelta: 0.5, zoomControl: false, attributionControl: false, maxZoom: 19, minZoom: 3,
  });
  map.fitBounds(G.toBounds(G.boxOf(data.shape, G.all(data.shape))));
  const room = new G.Room(map, data, { title: document.title, printSize: [1930, 1250, 2.3] });

  /** Show what a row speaks of: a place of a level, or a cell. */
  function follow(row) {
    document.querySelectorAll('.gm-followed').forEach((other) => {
      other.classList.remove('gm-followed');
      other.removeAttribute('aria-current');
    });
    row.classList.add('gm-followed');
    row.setAttribute('aria-current', 'true');
    const cells = row.dataset.cell !== undefined
      ? [Number(row.dataset.cell)]
      : room.cellsOf(data.levels[Number(row.dataset.level)], Number(row.dataset.place));
    if (row.dataset.theme !== undefined) {
      room.showTheme(Number(row.dataset.theme));
    }
    room.choose(cells, true);
    if (window.innerWidth < 800) document.querySelector('.map').scrollIntoView();
  }

  document.querySelectorAll('[data-cell],[data-place]').forEach((row) => {
    row.tabIndex = 0;
    row.addEventListener('click', () => follow(row));
    row.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') {
        event.preventDefault();
        follow(row);
      }
    });
  });

  /** Cut lists at a whole row. */
  function wholeRows() {
    document.querySelectorAll('.scroll').forEach((box) => {
      box.style.maxHeight = '';
      const row = box.querySelector('tbody tr');
      if (!row || box.scrollHeight <= box.clientHeight + 1) return;
      const head = box.querySelector('thead').offsetHeight;
      const rows = Math.floor((box.clientHeight - head) / row.getBoundingClientRect().height);
      box.style.maxHeight = head + Math.max(1, rows) * row.getBoundingClientRect().height + 'px';
      box.tabIndex = 0;
    });
  }

  wholeRows();
  window.addEventListener('resize', wholeRows);
})();
