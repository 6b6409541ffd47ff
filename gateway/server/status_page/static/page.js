// Keeps the page up to date, says so when it cannot. Without it the page still shows the state.

import "./copying.js";
import { localizeTimes, patch } from "./patch.js";

const SILENCE = 25_000; // the server says something every ten seconds
const AGAIN = 5_000;
const RELOAD = 30_000;

const root = document.documentElement;
let stream;
let watchdog;

function listen() {
  stream?.close();
  stream = new EventSource(`/page/events?version=${encodeURIComponent(root.dataset.version)}`);
  stream.addEventListener("parts", (event) => {
    heard();
    show(JSON.parse(event.data));
  });
  stream.addEventListener("alive", heard);
  stream.addEventListener("reload", () => location.replace("/"));
  stream.addEventListener("error", failed);
  restartIn(SILENCE);
}

async function failed() {
  const refused = stream.readyState === EventSource.CLOSED; // else the browser tries again by itself
  if (refused && (await isAlive())) {
    root.dataset.link = "none"; // too many pages are open: this one is loaded anew now and then
    clearTimeout(watchdog);
    setTimeout(() => location.reload(), RELOAD);
    return;
  }
  root.dataset.link = "lost";
  if (refused) restartIn(AGAIN);
}

async function isAlive() {
  try {
    return (await fetch("/healthz", { cache: "no-store" })).ok;
  } catch {
    return false;
  }
}

function heard() {
  root.dataset.link = "live";
  restartIn(SILENCE);
}

function restartIn(milliseconds) {
  clearTimeout(watchdog);
  watchdog = setTimeout(() => {
    root.dataset.link = "lost";
    listen();
  }, milliseconds);
}

function show({ title, level, parts }) {
  document.title = title;
  const icon = document.getElementById("icon");
  if (!icon.href.endsWith(`/${level}.svg`)) icon.href = `/page/${level}.svg`;
  for (const [id, tree] of Object.entries(parts)) {
    const element = document.getElementById(id);
    if (element) patch(element, tree);
  }
}

// A page that comes back from the browser's memory shows the past.
addEventListener("pageshow", (event) => event.persisted && listen());
addEventListener("pagehide", () => stream?.close());

root.dataset.link = "live";
localizeTimes();
listen();
