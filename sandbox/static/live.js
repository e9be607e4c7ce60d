// Keeps the parts marked data-live current without disturbing the reader: not while the page is hidden, and not while
// the focus is inside.
const every = 2000;

async function refresh() {
  const parts = [...document.querySelectorAll("[data-live]")].filter((part) => !part.contains(document.activeElement));
  if (document.hidden || parts.length === 0) return;
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of parts) {
    const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!next) continue;
    for (const open of part.querySelectorAll("details[open][id]")) next.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
    if (next.innerHTML !== part.innerHTML) part.replaceChildren(...next.childNodes);
  }
}

async function loop() {
  try {
    await refresh();
  } catch {
    // The sandbox is restarting: the next round finds it again.
  }
  setTimeout(loop, every);
}
if (document.querySelector("[data-live]")) setTimeout(loop, every);
