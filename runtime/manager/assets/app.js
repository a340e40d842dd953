"use strict";
(() => {
  const main = document.getElementById("balancers"), said = document.getElementById("said");
  const live = document.getElementById("live"), liveText = document.getElementById("live-text"), pause = document.getElementById("pause");
  const url = location.pathname;
  let paused = false, shape = "", busy = false, timer = 0;

  const say = (text, bad) => { said.textContent = text; said.classList.toggle("bad", !!bad); };

  // The same figures as the server writes them into the page.
  const size = n => {
    if (n < 973) return String(n).padStart(3) + " ";
    for (const unit of "KMGTPE") {
      const rest = n % 1024;
      n = Math.floor(n / 1024);
      if (n >= 973) continue;
      if (n < 9 || n === 9 && rest < 973) {
        let tenth = Math.floor((rest * 5 + 256) / 512);
        if (tenth >= 10) { n++; tenth = 0; }
        return n + "." + tenth + unit;
      }
      return String(rest >= 512 ? n + 1 : n).padStart(3) + unit;
    }
    return "****";
  };
  const ago = (now, t) => {
    if (!t) return "never";
    const s = Math.floor((Date.parse(now) - Date.parse(t)) / 1000);
    if (s < 2) return "just now";
    if (s < 120) return s + " s ago";
    if (s < 7200) return Math.floor(s / 60) + " min ago";
    if (s < 172800) return Math.floor(s / 3600) + " h ago";
    return Math.floor(s / 86400) + " days ago";
  };
  const spark = recent => {
    const top = Math.max(1, ...recent), step = 120 / Math.max(recent.length - 1, 1);
    return recent.map((n, i) => (i ? "L" : "M") + (i * step).toFixed(1) + " " + (27 - n / top * 25).toFixed(1)).join("");
  };

  // What can't be brought up to date by figures alone: then the page is fetched anew.
  const shapeOf = o => JSON.stringify(o.balancers.map(b => [b.name, b.etag, b.byHand, b.workers.map(w => [w.name, w.state, w.byHand])]));

  const put = (row, name, text) => {
    const e = row.querySelector(`[data-f="${name}"]`);
    if (e && e.textContent !== String(text)) e.textContent = text;
  };

  const figures = o => {
    const rows = new Map();
    for (const row of main.querySelectorAll("tr[data-worker]")) rows.set(row.closest("section").dataset.balancer + " " + row.dataset.worker, row);
    for (const b of o.balancers) for (const w of b.workers) {
      const row = rows.get(b.name + " " + w.name);
      if (!row) continue;
      put(row, "status", w.status);
      for (const f of ["elected", "busy", "lbstatus"]) put(row, f, w[f]);
      put(row, "transferred", size(w.transferred));
      put(row, "read", size(w.read));
      put(row, "recent", w.recent.reduce((a, n) => a + n, 0));
      put(row, "own1", w.ownRoute.minute);
      put(row, "own5", w.ownRoute.fiveMinutes);
      put(row, "own60", w.ownRoute.hour);
      put(row, "ownlast", ago(o.time, w.ownRoute.last));
      put(row, "leaving", w.leaving);
      const leaving = row.querySelector(".leaving");
      if (leaving) leaving.classList.toggle("safe", w.leaving.startsWith("safe"));
      const d = spark(w.recent);
      row.querySelector(".line").setAttribute("d", d);
      row.querySelector(".area").setAttribute("d", d + "L120 28L0 28Z");
    }
  };

  // keyOf finds the same control again after the page was replaced.
  const keyOf = e => {
    if (!e || !main.contains(e)) return null;
    const row = e.closest("tr[data-worker]"), section = e.closest("section[data-balancer]");
    return section && [section.dataset.balancer, row && row.dataset.worker, e.name, e.value, e.tagName];
  };
  const refocus = key => {
    if (!key) return;
    const section = [...main.querySelectorAll("section[data-balancer]")].find(s => s.dataset.balancer === key[0]);
    if (!section) return;
    const row = key[1] && [...section.querySelectorAll("tr[data-worker]")].find(r => r.dataset.worker === key[1]);
    const all = [...(row || section).querySelectorAll(key[4])];
    const e = all.find(x => x.name === key[2] && x.value === key[3]) || all[0];
    if (e) e.focus();
  };

  const states = () => new Map([...main.querySelectorAll("tr[data-worker]")].map(r => [r.closest("section").dataset.balancer + " " + r.dataset.worker,
    [r.dataset.worker, r.querySelector(".pill").textContent]]));

  const rebuild = async quiet => {
    const answer = await fetch(url, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error("status " + answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("balancers");
    const key = keyOf(document.activeElement), before = states(), edit = document.getElementById("edit");
    main.replaceChildren(...document.adoptNode(fresh).childNodes);
    if (edit) main.prepend(edit);
    refocus(key);
    if (quiet) return;
    const news = [];
    for (const [key, [name, state]] of states()) if (before.has(key) && before.get(key)[1] !== state) news.push(`${name}: ${state}`);
    if (news.length) say(news.join("; "));
  };

  const look = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    try {
      const answer = await fetch(url + "?format=json", { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error("status " + answer.status);
      const o = await answer.json(), now = shapeOf(o);
      if (shape && now !== shape) await rebuild(false);
      shape = now;
      figures(o);
      live.classList.remove("off");
      liveText.textContent = paused ? "paused" : "live";
    } catch (e) {
      live.classList.add("off");
      liveText.textContent = "no answer, trying again";
    }
    busy = false;
    if (!paused && !document.hidden) timer = setTimeout(look, 1000);
  };

  // order makes of a form what the API takes.
  const order = (form, button) => {
    const o = { balancer: form.dataset.b };
    if (form.dataset.w) o.worker = form.dataset.w;
    if (button && button.dataset.order === "action") o.action = button.value;
    if (button && button.dataset.order === "reset") o.reset = [button.value];
    if (button && button.dataset.order === "remove") o.remove = true;
    for (const e of form.elements) {
      if (e.dataset.order === "add") o.add = e.value;
      if (!e.dataset.param || e.type === "radio" && !e.checked) continue;
      const was = e.type === "radio" ? e.defaultChecked : e.tagName === "SELECT" ? e.options[e.selectedIndex].defaultSelected : e.value === e.defaultValue;
      if (was) continue;
      o.set = o.set || {};
      o.set[e.dataset.param] = e.type === "radio" ? (e.value === "1" ? "On" : "Off") : "dash" in e.dataset && e.value === "-" ? "" : e.value;
    }
    return o;
  };

  main.addEventListener("submit", async event => {
    const form = event.target;
    if (!form.dataset.b) return;
    event.preventDefault();
    const o = order(form, event.submitter), headers = { "Content-Type": "application/json", Accept: "application/json" };
    if (form.dataset.etag) headers["If-Match"] = `"${form.dataset.etag}"`;
    if (event.submitter) event.submitter.disabled = true;
    try {
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(o), cache: "no-store" });
      const got = await answer.json();
      if (!answer.ok) throw new Error(got.error || "status " + answer.status);
      say(done(o));
      if (form.dataset.done) {
        document.getElementById("edit").remove();
        history.replaceState(null, "", url);
        main.focus();
      }
    } catch (e) {
      say("Nothing was changed: " + e.message + ".", true);
    }
    if (event.submitter) { event.submitter.disabled = false; event.submitter.focus(); }
    await rebuild(true).catch(() => {});
    shape = "";
    look();
  });

  const done = o => {
    const what = o.worker || "balancer://" + o.balancer;
    if (o.action) return `${what} is ${{ enable: "enabled", drain: "draining", disable: "disabled", stop: "stopped", standby: "on standby" }[o.action] || o.action} now`;
    if (o.reset) return `${what}: ${o.reset[0]} is the file's again`;
    if (o.add) return `${o.add} was added, disabled`;
    if (o.remove) return `${what} was removed`;
    return o.set ? `${what} was changed: ${Object.keys(o.set).join(", ")}` : "Nothing to change";
  };

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume" : "Pause";
    live.classList.toggle("paused", paused);
    liveText.textContent = paused ? "paused" : "live";
    if (!paused) look();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) look(); });
  live.hidden = false;
  const edit = document.getElementById("edit");
  if (edit) edit.querySelector("input,select").focus();
  look();
})();
