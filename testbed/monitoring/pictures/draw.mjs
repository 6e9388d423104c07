// node draw.mjs STORY.json BOARDS DIRECTORY: draws the pictures of the README (`make dashboards`).
//
// STORY.json is what the story test recorded (RECORD_STORY): what a real Prometheus answered to the
// boards' own expressions. The charts are Grafana's components; this is no screenshot of Grafana.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';
import puppeteer from 'puppeteer-core';
import { pictures } from './pictures.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const [storyFile, boards, directory] = process.argv.slice(2);
const chromium = process.env.CHROMIUM || '/usr/bin/chromium';
const story = JSON.parse(fs.readFileSync(storyFile));
const work = fs.mkdtempSync(path.join(here, '.draw-'));

const STYLE = `
  body { margin: 0; background: #111217; color: #ccccdc; font: 13px Inter, Helvetica, sans-serif; }
  #picture { width: 1216px; padding: 4px; box-sizing: border-box; }
  #picture p { margin: 4px 6px 8px; line-height: 1.5; color: #9a9aa8; }
  #panels { display: flex; flex-wrap: wrap; gap: 8px; }
  h2, button, label { color: #ccccdc; }
`;

async function draw(page, picture) {
  const board = JSON.parse(fs.readFileSync(path.join(boards, `${picture.board}.json`)));
  const data = JSON.stringify({ picture, story, board });
  const html = `<html><head><meta charset="utf-8"><link rel="stylesheet" href="board.css"><style>${STYLE}</style></head>
    <body><div id="root"></div><div id="grafana-portal-container"></div>
    <script>window.grafanaBootData = { settings: {}, user: {} }; window.PICTURE = ${data};</script>
    <script src="board.js"></script></body></html>`;
  fs.writeFileSync(path.join(work, 'board.css'), '', { flag: 'a' });
  fs.writeFileSync(path.join(work, 'index.html'), html);
  await page.goto(`file://${work}/index.html`);
  await page.waitForFunction((count) => document.querySelectorAll('canvas').length >= count, {},
    picture.panels.filter((one) => (one.height ?? 250) >= 200).length);
  await page.evaluate(() => document.fonts.ready);
  const file = path.join(directory, picture.file);
  await (await page.$('#picture')).screenshot({ path: file });
  console.log(file, fs.statSync(file).size);
}

try {
  await esbuild.build({
    entryPoints: [path.join(here, 'board.jsx')],
    bundle: true, outdir: work, format: 'iife', minify: true, logLevel: 'error',
    jsx: 'transform', mainFields: ['browser', 'module', 'main'],
    define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    loader: { '.svg': 'text', '.png': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  });
  const browser = await puppeteer.launch({
    executablePath: chromium, headless: true, args: ['--no-sandbox', '--disable-gpu'],
  });
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(String(error).slice(0, 2000)));
  await page.setViewport({ width: 1216, height: 1200 });
  fs.mkdirSync(directory, { recursive: true });
  for (const picture of pictures) {
    await draw(page, picture);
  }
  await browser.close();
} finally {
  fs.rmSync(work, { recursive: true });
}
