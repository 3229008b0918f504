// The pipeline's report: sorts and filters the images, cuts the CAMs at a threshold, zooms.
// Without it the page shows the same images in one order.
'use strict';

const list = document.querySelector('.images');
const cards = [...document.querySelectorAll('.image')];
const tools = document.querySelector('.tools');

// -- sort and filter ------------------------------------------------------------------------------
function arrange() {
  const { score, order, kind } = tools.elements;
  const sign = order.value === 'best' ? -1 : 1;
  const value = (card) => JSON.parse(card.dataset.scores)[score.value] ?? Infinity * sign;
  const sorted = score.value === ''
    ? cards : [...cards].sort((a, b) => sign * (value(a) - value(b)) || 0);
  list.append(...sorted);
  for (const card of cards) {
    card.hidden = kind.value !== '' && !JSON.parse(card.dataset.classes).includes(kind.value);
  }
  order.disabled = score.value === '';
  const shown = cards.filter((card) => !card.hidden).length;
  tools.querySelector('.count').value = `${shown} of ${cards.length} images`;
}

// -- threshold slider -----------------------------------------------------------------------------
// Values of each class's map at every pixel of the canvas.
function readMaps(image, count, width, height) {
  const scratch = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  const rows = image.naturalHeight / count;
  return Array.from({ length: count }, (_, k) => {
    scratch.drawImage(image, 0, k * rows, image.naturalWidth, rows, 0, 0, width, height);
    return scratch.getImageData(0, 0, width, height).data.filter((_, i) => i % 4 === 0);
  });
}

async function prepare(figure) {
  const photo = figure.closest('.image').querySelector('img');
  const packed = figure.querySelector('img');
  await Promise.all([photo.decode(), packed.decode()]);
  const canvas = figure.querySelector('canvas');
  canvas.width = photo.naturalWidth;
  canvas.height = photo.naturalHeight;
  const { colors, threshold } = JSON.parse(figure.dataset.layers);
  const maps = readMaps(packed, colors.length, canvas.width, canvas.height);
  return { figure, photo, canvas, maps, colors, threshold };
}

// Each pixel takes the class with the largest value if that is above the threshold.
function cut({ figure, photo, canvas, maps, colors, threshold }, chosen) {
  const at = chosen ?? threshold;
  const overlay = new ImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(overlay.data.buffer);
  // Little-endian, as browsers' machines are: the highest byte is alpha.
  const words = colors.map(([r, g, b]) => (153 << 24 | b << 16 | g << 8 | r) >>> 0);
  let count = 0;
  for (let i = 0; i < pixels.length; i++) {
    let best = 0;
    for (let k = 1; k < maps.length; k++) if (maps[k][i] > maps[best][i]) best = k;
    if (maps[best][i] > 255 * at) {
      pixels[i] = words[best];
      count++;
    }
  }
  const layer = new OffscreenCanvas(canvas.width, canvas.height);
  layer.getContext('2d').putImageData(overlay, 0, 0);
  const context = canvas.getContext('2d');
  context.drawImage(photo, 0, 0);
  context.drawImage(layer, 0, 0);
  const share = Math.round(100 * count / pixels.length);
  figure.querySelector('figcaption').textContent =
    `${figure.dataset.caption} > ${at.toFixed(2)}: ${share} %`;
}

async function slider() {
  const figures = await Promise.all([...document.querySelectorAll('.layers')].map(prepare));
  const { threshold } = tools.elements;
  if (!threshold) return;
  const output = tools.querySelector('.threshold');
  const draw = (chosen) => {
    output.value = chosen === undefined ? 'as chosen' : chosen.toFixed(2);
    figures.forEach((figure) => cut(figure, chosen));
  };
  threshold.addEventListener('input', () => draw(Number(threshold.value)));
  tools.querySelector('button').addEventListener('click', () => {
    threshold.value = threshold.defaultValue;
    draw();
  });
  draw();
}

// -- zoom -----------------------------------------------------------------------------------------
function zoom() {
  const dialog = document.createElement('dialog');
  dialog.className = 'zoom';
  dialog.innerHTML = '<div class="view"><img alt=""></div><p>'
    + '<button class="back" aria-label="previous">&larr;</button>'
    + '<span class="caption"></span>'
    + '<button class="next" aria-label="next">&rarr;</button>'
    + '<button class="close">close</button></p>';
  document.body.append(dialog);
  const view = dialog.querySelector('.view');
  const image = dialog.querySelector('img');
  let figures = [];
  let place = 0;

  const show = (index) => {
    place = (index + figures.length) % figures.length;
    const figure = figures[place];
    const canvas = figure.querySelector('canvas');
    image.src = canvas ? canvas.toDataURL() : figure.querySelector('img').src;
    const card = figure.closest('.image');
    const run = figure.closest('[data-run]')?.dataset.run;
    dialog.querySelector('.caption').textContent =
      [card.dataset.name, run, figure.querySelector('figcaption').textContent]
        .filter((part, i, all) => part && all.indexOf(part) === i).join(' · ');
  };
  const open = (figure) => {
    figures = [...figure.closest('.image').querySelectorAll('figure')];
    view.classList.remove('large');
    show(figures.indexOf(figure));
    dialog.showModal();
  };
  for (const figure of document.querySelectorAll('.image figure')) {
    figure.classList.add('zoomable');
    figure.tabIndex = 0;
    figure.setAttribute('role', 'button');
    figure.addEventListener('click', () => open(figure));
    figure.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') open(figure);
    });
  }
  image.addEventListener('click', () => view.classList.toggle('large'));
  dialog.querySelector('.back').addEventListener('click', () => show(place - 1));
  dialog.querySelector('.next').addEventListener('click', () => show(place + 1));
  dialog.querySelector('.close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowLeft') show(place - 1);
    if (event.key === 'ArrowRight') show(place + 1);
  });
}

if (tools) {
  tools.hidden = false;
  tools.addEventListener('submit', (event) => event.preventDefault());
  for (const name of ['score', 'order', 'kind']) {
    tools.elements[name].addEventListener('change', arrange);
  }
  arrange();
  slider();
  zoom();
}
