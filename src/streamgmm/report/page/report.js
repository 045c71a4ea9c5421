"use strict";
(() => {
  const MILLISECONDS = 150; // of a frame
  const POINTS = 48; // of an ellipse
  const element = (id) => document.getElementById(id);
  const coarse = matchMedia("(pointer: coarse)").matches; // a finger on a picture scrolls the page
  const config = { responsive: true, displaylogo: false, displayModeBar: coarse ? false : "hover",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"], showSendToCloud: false,
    plotlyServerURL: "", topojsonURL: "" };

  function say(words) {
    element("trouble").textContent = words;
    element("trouble").hidden = false;
  }

  async function unpacked(id) {
    const letters = atob(element(id).textContent);
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  // A frame holds for each component [x, y, ux, uy, vx, vy]: its mean and two conjugate half axes; null for
  // one that there is not.
  function ellipses(frame, motion) {
    const lines = frame.map((one) => {
      if (one === null) return { x: [], y: [] };
      const [x, y, ux, uy, vx, vy] = one;
      const xs = [], ys = [];
      for (const scale of motion.scales) {
        if (xs.length) { xs.push(null); ys.push(null); }
        for (let i = 0; i <= POINTS; i++) {
          const c = scale * Math.cos(2 * Math.PI * i / POINTS), s = scale * Math.sin(2 * Math.PI * i / POINTS);
          xs.push(x + c * ux + s * vx);
          ys.push(y + c * uy + s * vy);
        }
      }
      return { x: xs, y: ys };
    });
    const centers = frame.map((one) => one ?? [null, null]);
    return [...lines, { x: centers.map((one) => one[0]), y: centers.map((one) => one[1]) }];
  }

  // A frame holds for each component [mean, standard deviation, height]: where to put the bell; or null.
  function densities(frame, motion) {
    const [low, high] = motion.ends, { ends: [left, right], heights } = motion.bell;
    const height = (x, [mean, sd, top]) => {
      const at = ((x - mean) / sd - left) / (right - left) * (heights.length - 1), i = Math.floor(at);
      if (!(at >= 0 && at < heights.length - 1)) return 0;
      return top * (heights[i] + (at - i) * (heights[i + 1] - heights[i]));
    };
    const shown = frame.map((one) => one && [one[0], Math.max(one[1], 1e-6 * (high - low)), one[2]]);
    const there = shown.filter((one) => one !== null);
    const around = shown.map((one) =>
      one === null ? [] : Array.from({ length: 61 }, (_, i) => one[0] + one[1] * (i - 30) * 0.15));
    const even = Array.from({ length: 241 }, (_, i) => low + (high - low) * i / 240);
    const grid = [...even, ...around.flat()].filter((x) => low <= x && x <= high).sort((a, b) => a - b);
    const lines = shown.map((one, k) => ({ x: around[k], y: around[k].map((x) => height(x, one)) }));
    const total = { x: grid, y: grid.map((x) => there.reduce((sum, one) => sum + height(x, one), 0)) };
    const numbers = { x: shown.map((one) => one && one[0]),
      y: shown.map((one) => one && Math.min(one[2], 0.95 * motion.height)) };
    return shown.length > 1 ? [total, ...lines, numbers] : [...lines, numbers];
  }

  function animate(plot, motion) {
    const slider = element("slider"), play = element("play"), pause = element("pause");
    const last = motion.frames.length - 1;
    const draw = { ellipses, densities }[motion.kind];
    let timer = null;

    function show(index) {
      slider.value = index;
      const words = motion.rows[index].toLocaleString("en") + " rows seen";
      element("seen").value = words;
      slider.setAttribute("aria-valuetext", words);
      const past = motion.events.filter(([row]) => row <= motion.rows[index]);
      element("event").textContent = past.length ? past[past.length - 1][1] : "";
      const data = draw(motion.frames[index], motion);
      return Plotly.restyle(plot, { x: data.map((one) => one.x), y: data.map((one) => one.y) },
        data.map((_, i) => motion.first + i));
    }

    function stop() {
      clearTimeout(timer);
      timer = null;
      play.disabled = false;
      pause.disabled = true;
    }

    async function step() {
      const next = Number(slider.value) + 1;
      await show(next);
      if (timer === null) return; // paused meanwhile
      if (next < last) timer = setTimeout(step, MILLISECONDS);
      else stop();
    }

    play.addEventListener("click", () => {
      if (Number(slider.value) === last) show(0);
      play.disabled = true;
      pause.disabled = false;
      timer = setTimeout(step, MILLISECONDS);
    });
    pause.addEventListener("click", stop);
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    slider.max = last;
    document.querySelector(".controls").hidden = false;
    element("event").hidden = motion.events.length === 0;
    return show(last);
  }

  async function draw() {
    if (typeof DecompressionStream === "undefined") {
      say("The pictures need a newer browser (of 2023 or later); the tables do not.");
      return;
    }
    const library = document.createElement("script");
    library.textContent = await unpacked("library");
    document.head.append(library);
    const figures = JSON.parse(await unpacked("figures"));
    for (const [id, { data, layout, motion }] of Object.entries(figures)) {
      const plot = element(id);
      if (coarse) layout.dragmode = false;
      await Plotly.newPlot(plot, data, layout, config);
      if (motion) await animate(plot, motion);
    }
    document.documentElement.dataset.drawn = "yes";
  }

  draw().catch((error) => say("The pictures could not be drawn: " + error.message));
})();
