"use strict";
(() => {
  const main = document.getElementById("balancers"), said = document.getElementById("said");
  const live = document.getElementById("live"), liveText = document.getElementById("live-text"), pause = document.getElementById("pause");
  const url = location.pathname, filter = document.getElementById("filter");
  const asked = new URLSearchParams(location.search);
  let selection = new URLSearchParams([...asked].filter(([name]) => name === "filter" || name === "from"));
  const here = mark => { const q = selection.toString(); return q && mark + q; };
  let paused = false, shape = main.dataset.shape, busy = false, timer = 0;

  const say = (text, bad) => { said.textContent = text; said.classList.toggle("bad", !!bad); };

  // As the server writes it into the page; both are Unix times in milliseconds.
  const ago = (now, t) => {
    if (!t) return "never";
    const s = Math.floor((now - t) / 1000);
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

  const put = (row, name, text) => {
    const e = row.querySelector(`[data-f="${name}"]`);
    if (e && e.textContent !== String(text)) e.textContent = text;
  };

  // Of each member shown: what the page has of it, in the order of the rows.
  let rows = [], sums = [], times = [], generation = 0;
  const forget = () => {
    generation++;
    rows = [...main.querySelectorAll("tr[data-worker]")];
    sums = rows.map(() => "----");
    times = rows.map(() => ({}));
  };

  const figures = o => {
    for (const { at, sum, f } of o.rows) {
      const row = rows[at];
      if (!row) continue;
      sums[at] = sum;
      times[at] = { ownlast: f.ownlast || 0, checked: f.checked };
      for (const name in f) if (!(name in times[at])) put(row, name, f[name]);
      if (f.check !== undefined) put(row, "checkmark", f.checkok ? "passed" : "failed");
      const mark = row.querySelector(".mark");
      if (mark) mark.classList.toggle("bad", f.checkok === false);
      const leaving = row.querySelector(".leaving");
      if (leaving && f.leaving) leaving.classList.toggle("safe", f.leaving.startsWith("safe"));
      const d = spark(f.spark || [0, 0]);
      row.querySelector(".line").setAttribute("d", d);
      row.querySelector(".area").setAttribute("d", d + "L120 28L0 28Z");
    }
    times.forEach((t, at) => {
      for (const name in t) if (t[name] !== undefined) put(rows[at], name, ago(o.now, t[name]));
    });
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
    const answer = await fetch(url + here("?"), { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error("status " + answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("balancers");
    const key = keyOf(document.activeElement), before = states(), edit = document.getElementById("edit");
    shape = fresh.dataset.shape;
    main.replaceChildren(...document.adoptNode(fresh).childNodes);
    if (edit) main.prepend(edit);
    forget();
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
    let again = false;
    const mine = generation;
    try {
      const answer = await fetch(url + "?format=json&live=1" + here("&"), { headers: { Accept: "application/json", "Pinion-Have": sums.join("") }, cache: "no-store" });
      if (!answer.ok) throw new Error("status " + answer.status);
      const o = await answer.json();
      if (mine !== generation) again = true; // of rows that are no longer there
      else if (o.shape !== shape) await rebuild(false);
      else figures(o);
      live.classList.remove("off");
      liveText.textContent = paused ? "paused" : "live";
    } catch (e) {
      live.classList.add("off");
      liveText.textContent = "no answer, trying again";
    }
    busy = false;
    if (again) return look();
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
        history.replaceState(null, "", url + here("?"));
        main.focus();
      }
    } catch (e) {
      say("Nothing was changed: " + e.message + ".", true);
    }
    if (event.submitter) { event.submitter.disabled = false; event.submitter.focus(); }
    await anew(true);
  });

  // anew fetches the page again, whatever has or hasn't changed.
  const anew = async quiet => {
    await rebuild(quiet).catch(() => {});
    look();
  };

  // The filter: as one types, and by Enter as without scripts.
  let typed = 0;
  const search = async () => {
    const mine = ++typed, q = filter.value.trim();
    selection = new URLSearchParams(q ? { filter: q } : {});
    history.replaceState(null, "", url + here("?"));
    await anew(true);
    if (mine !== typed) return search();
    const count = document.getElementById("count");
    say(count ? count.firstChild.textContent : "");
  };
  let searching = null;
  filter.addEventListener("input", () => {
    if (searching) { typed++; return; }
    searching = search().finally(() => { searching = null; });
  });
  document.getElementById("find").addEventListener("submit", event => event.preventDefault());

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
  forget();
  look();
})();
