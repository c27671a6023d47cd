// The players and the blind test of a listening report. Nothing here reaches beyond the page.
"use strict";

(() => {
  const STEP = 2; // seconds that an arrow key goes
  const SOFTEST = 0.25; // volume that a blind take is turned down to at most: by 12 dB
  const LEAD = 2; // seconds of the prompt that a blind take begins with

  /** @param {string} id @returns {any} */
  const byId = (id) => document.getElementById(id);

  /** @param {number} seconds */
  const clock = (seconds) =>
    `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

  /** @param {number} value @param {number} low @param {number} high */
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /** @template T @param {T[]} items @returns {T} */
  const drawn = (items) => items[Math.floor(Math.random() * items.length)];

  /** Pauses all sound of the page but one. @param {HTMLAudioElement} [but] */
  function hush(but) {
    for (const sound of sounds) if (sound !== but) sound.pause();
  }

  /** Moves a sound, also one that is not loaded yet. @param {HTMLAudioElement} audio */
  function seek(audio, seconds) {
    if (audio.readyState > 0) {
      audio.currentTime = seconds;
    } else {
      audio.addEventListener("loadedmetadata", () => (audio.currentTime = seconds), { once: true });
      audio.preload = "auto";
      audio.load();
    }
  }

  /** Plays a sound; where the browser cannot, says so. @param {HTMLAudioElement} audio */
  function start(audio, place) {
    audio.play().catch((error) => {
      // Others mean that it was paused at once, or that the browser waits for a click.
      if (error.name === "NotSupportedError") place.textContent = "This browser cannot play it.";
    });
  }

  // Players

  /** A take of the page: its sound, its picture with a playhead, and its button. */
  class Player {
    /** @param {HTMLElement} article */
    constructor(article) {
      const { name, seed, seconds, span, promptEnd, level } = article.dataset;
      this.article = article;
      this.name = name;
      this.seed = seed === "" ? null : Number(seed);
      this.prompt = Number(article.closest(".comparison").dataset.prompt);
      this.seconds = Number(seconds);
      this.span = Number(span);
      this.promptEnd = Number(promptEnd);
      this.level = Number(level);
      this.wanted = 0; // where it is, also before the sound is loaded
      this.audio = article.querySelector("audio");
      this.button = article.querySelector(".play");
      this.slider = article.querySelector(".seek");
      this.head = article.querySelector(".playhead");
      this.time = article.querySelector(".time");
      this.label = this.button.getAttribute("aria-label").replace(/^Play /, "");
      this.audio.controls = false;
      this.button.addEventListener("click", () => this.toggle());
      this.slider.addEventListener("pointerdown", (event) => this.point(event));
      this.slider.addEventListener("pointermove", (event) => event.buttons & 1 && this.point(event));
      this.slider.addEventListener("keydown", (event) => this.key(event));
      for (const kind of ["play", "pause", "ended"]) {
        this.audio.addEventListener(kind, () => this.show());
      }
      this.audio.addEventListener("timeupdate", () => this.show());
      this.show();
    }

    get moment() {
      return this.audio.readyState > 0 ? this.audio.currentTime : this.wanted;
    }

    toggle() {
      if (this.audio.paused) this.play();
      else this.audio.pause();
    }

    play() {
      const other = players.find((one) => one !== this && !one.audio.paused);
      if (other && other.prompt === this.prompt && byId("keep-moment").checked) {
        if (other.moment < this.seconds) this.go(other.moment);
      }
      hush(this.audio);
      start(this.audio, this.time);
    }

    /** @param {number} seconds */
    go(seconds) {
      this.wanted = clamp(seconds, 0, this.seconds);
      seek(this.audio, this.wanted);
      this.show(this.wanted);
    }

    /** @param {PointerEvent} event */
    point(event) {
      const box = this.slider.getBoundingClientRect();
      if (event.type === "pointerdown") this.slider.setPointerCapture(event.pointerId);
      this.go(((event.clientX - box.left) / box.width) * this.span);
    }

    /** @param {KeyboardEvent} event */
    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const places = {
        ArrowLeft: this.moment - STEP,
        ArrowDown: this.moment - STEP,
        ArrowRight: this.moment + STEP,
        ArrowUp: this.moment + STEP,
        PageDown: this.moment - 5 * STEP,
        PageUp: this.moment + 5 * STEP,
        Home: 0,
        End: this.seconds,
      };
      if (event.key in places) this.go(places[event.key]);
      else if (event.key === " " || event.key === "Enter") this.toggle();
      else return;
      event.preventDefault();
    }

    /** @param {number} [moment] */
    show(moment = this.moment) {
      const sounding = !this.audio.paused;
      this.article.classList.toggle("sounding", sounding);
      this.button.setAttribute("aria-label", `${sounding ? "Pause" : "Play"} ${this.label}`);
      this.head.style.left = `${(100 * moment) / this.span}%`;
      this.time.textContent = `${clock(moment)} / ${clock(this.seconds)}`;
      this.slider.setAttribute("aria-valuenow", moment.toFixed(1));
      const part = moment < this.promptEnd ? "in the prompt" : "after the prompt";
      this.slider.setAttribute(
        "aria-valuetext",
        `${moment.toFixed(0)} of ${this.seconds.toFixed(0)} seconds, ${part}`,
      );
      if (sounding && !stillness.matches) requestAnimationFrame(() => this.show());
    }
  }

  // The blind test

  /** Votes, kept by the browser where it lets a file do so, and in memory else. */
  class Votes {
    constructor() {
      this.key = `lofikit-report:${document.body.dataset.report}`;
      this.all = [];
      this.kept = true;
      try {
        const found = JSON.parse(localStorage.getItem(this.key) || "[]");
        const whole = (vote) => vote && vote.a && vote.b && typeof vote.a.name === "string";
        if (Array.isArray(found)) this.all = found.filter(whole);
      } catch {
        this.kept = false;
      }
      this.write();
    }

    write() {
      try {
        localStorage.setItem(this.key, JSON.stringify(this.all));
      } catch {
        this.kept = false;
      }
    }

    add(vote) {
      this.all.push(vote);
      this.write();
    }

    clear() {
      this.all = [];
      this.write();
    }

    /** @returns {{name: string, preferred: number, not_preferred: number, no_difference: number}[]} */
    tally() {
      const rows = new Map();
      for (const { a, b, preferred } of this.all) {
        for (const [side, { name }] of Object.entries({ a, b })) {
          if (!rows.has(name)) {
            rows.set(name, { name, preferred: 0, not_preferred: 0, no_difference: 0 });
          }
          const kind = preferred === "neither" ? "no_difference" : "not_preferred";
          rows.get(name)[preferred === side ? "preferred" : kind] += 1;
        }
      }
      return [...rows.values()].sort((x, y) => y.preferred - x.preferred || (x.name < y.name ? -1 : 1));
    }

    json() {
      const said = { report: document.title, votes: this.all, tally: this.tally() };
      return JSON.stringify(said, null, 1);
    }
  }

  /** Two hidden takes at a time, and what is preferred. */
  class BlindTest {
    constructor() {
      this.votes = new Votes();
      this.decks = { a: new Audio(), b: new Audio() };
      this.pair = null; // {a: Player, b: Player}
      this.side = "a";
      this.done = false;
      for (const side of ["a", "b"]) {
        sounds.push(this.decks[side]);
        byId(`blind-${side}`).addEventListener("click", () => this.press(side));
        byId(`vote-${side}`).addEventListener("click", () => this.vote(side));
        for (const kind of ["play", "pause", "ended", "timeupdate"]) {
          this.decks[side].addEventListener(kind, () => this.show());
        }
      }
      byId("vote-none").addEventListener("click", () => this.vote("neither"));
      byId("blind-reveal").addEventListener("click", () => this.reveal("You did not vote."));
      byId("blind-next").addEventListener("click", () => this.next());
      byId("blind-position").addEventListener("input", (event) => this.go(Number(event.target.value)));
      byId("blind-panel").addEventListener("keydown", (event) => this.key(event));
      byId("tally-copy").addEventListener("click", () => this.copy());
      byId("tally-save").addEventListener("click", () => this.save());
      byId("tally-clear").addEventListener("click", () => this.clear());
      this.offer();
      this.next();
      this.showTally();
    }

    /** Fills the two lists of what is compared. */
    offer() {
      const original = players.find((player) => player.seed === null)?.name;
      const names = [...new Set(players.map((player) => player.name))].filter((n) => n !== original);
      const fill = (list, first, more) => {
        const options = names.length > 1 ? [["", first]] : [];
        for (const name of [...names, ...more]) options.push([name, name]);
        list.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
        list.addEventListener("change", () => this.next());
      };
      fill(byId("blind-first"), "any run", []);
      fill(byId("blind-second"), "any other run", original ? [original] : []);
      if (names.length === 1 && original) byId("blind-second").value = original;
      this.names = names;
    }

    /** Returns all pairs of takes of one prompt that are to be compared. */
    pairs() {
      const first = byId("blind-first").value;
      const second = byId("blind-second").value;
      const fits = (name, wanted) => (wanted ? name === wanted : this.names.includes(name));
      const found = [];
      for (const x of players) {
        for (const y of players) {
          if (x.name !== y.name && x.prompt === y.prompt && fits(x.name, first) && fits(y.name, second)) {
            found.push([x, y]);
          }
        }
      }
      return found;
    }

    next() {
      this.pause();
      const pairs = this.pairs();
      const key = (x) => `${x.name}/${x.seed}`;
      const heard = ([x, y]) =>
        this.votes.all.filter(
          ({ a, b, prompt }) =>
            prompt === x.prompt && [`${a.name}/${a.seed}`, `${b.name}/${b.seed}`].sort().join() ===
              [key(x), key(y)].sort().join(),
        ).length;
      const least = Math.min(...pairs.map(heard));
      const chosen = drawn(pairs.filter((pair) => heard(pair) === least));
      this.pair = null;
      this.done = !chosen;
      if (chosen) {
        const [a, b] = Math.random() < 0.5 ? chosen : [chosen[1], chosen[0]];
        this.pair = { a, b };
        const quieter = Math.min(a.level, b.level);
        for (const side of ["a", "b"]) {
          const deck = this.decks[side];
          deck.src = this.pair[side].audio.src;
          deck.volume = Math.max(SOFTEST, 10 ** ((quieter - this.pair[side].level) / 20));
          seek(deck, this.start);
        }
        const position = byId("blind-position");
        position.max = String(Math.min(a.seconds, b.seconds));
        byId("blind-prompt").textContent =
          `Both go on from prompt ${a.prompt}, and begin in its last ${LEAD} seconds.`;
        byId("blind-said").textContent = "";
      } else {
        byId("blind-prompt").textContent = "";
        byId("blind-said").textContent = "Choose two that differ.";
      }
      this.side = "a";
      this.show();
    }

    get start() {
      return Math.max(0, this.pair.a.promptEnd - LEAD);
    }

    get playing() {
      return !this.decks.a.paused || !this.decks.b.paused;
    }

    pause() {
      this.decks.a.pause();
      this.decks.b.pause();
    }

    /** Plays a side, from where the other is if that is playing. @param {"a" | "b"} side */
    listen(side) {
      if (!this.pair) return;
      const other = this.decks[side === "a" ? "b" : "a"];
      const deck = this.decks[side];
      if (this.side !== side) seek(deck, other.currentTime);
      else if (deck.ended) seek(deck, this.start);
      this.side = side;
      if (document.activeElement?.matches(".deck")) byId(`blind-${side}`).focus();
      hush(deck);
      start(deck, byId("blind-said"));
    }

    /** @param {"a" | "b"} side */
    press(side) {
      if (this.side === side && this.playing) this.pause();
      else this.listen(side);
    }

    /** @param {number} seconds */
    go(seconds) {
      if (!this.pair) return;
      seek(this.decks[this.side], clamp(seconds, 0, Number(byId("blind-position").max)));
    }

    /** @param {"a" | "b" | "neither"} preferred */
    vote(preferred) {
      if (!this.pair || this.done) return;
      const named = ({ name, seed }) => ({ name, seed });
      const { a, b } = this.pair;
      this.votes.add({ prompt: a.prompt, a: named(a), b: named(b), preferred });
      this.reveal(
        preferred === "neither" ? "You heard no difference." : `You preferred ${preferred.toUpperCase()}.`,
      );
      this.showTally();
    }

    /** @param {string} said */
    reveal(said) {
      if (!this.pair || this.done) return;
      this.done = true;
      const several = new Set(players.map((player) => player.seed)).size > 2; // the clips' own is null
      const named = ({ name, seed }) =>
        seed === null || !several ? name : `${name} (seed ${seed})`;
      byId("blind-said").textContent =
        `A was ${named(this.pair.a)}, B was ${named(this.pair.b)}. ${said}`;
      this.show();
      byId("blind-next").focus();
    }

    /** @param {KeyboardEvent} event */
    key(event) {
      const { target } = event;
      if (event.ctrlKey || event.altKey || event.metaKey || target.matches("select")) return;
      const other = this.side === "a" ? "b" : "a";
      const deeds = {
        a: () => this.listen("a"),
        b: () => this.listen("b"),
        x: () => this.listen(other),
        n: () => this.next(),
        1: () => this.vote("a"),
        2: () => this.vote("b"),
        0: () => this.vote("neither"),
      };
      if (!target.matches("button")) deeds[" "] = () => this.press(this.side);
      if (!target.matches("input")) {
        deeds.ArrowLeft = () => this.go(this.decks[this.side].currentTime - STEP);
        deeds.ArrowRight = () => this.go(this.decks[this.side].currentTime + STEP);
      }
      const deed = deeds[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!deed) return;
      event.preventDefault();
      deed();
    }

    show() {
      for (const side of ["a", "b"]) {
        const button = byId(`blind-${side}`);
        const sounding = !this.decks[side].paused;
        button.setAttribute("aria-pressed", String(sounding));
        button.querySelector("span").textContent = sounding ? "Pause" : "Play";
        button.disabled = !this.pair;
        byId(`vote-${side}`).disabled = this.done;
      }
      byId("vote-none").disabled = byId("blind-reveal").disabled = this.done;
      const position = byId("blind-position");
      const moment = this.decks[this.side].currentTime;
      position.value = String(moment);
      position.setAttribute("aria-valuetext", `${moment.toFixed(0)} seconds`);
    }

    showTally() {
      const rows = this.votes.tally().map((row) => {
        const line = document.createElement("tr");
        Object.values(row).forEach((value, i) => {
          const cell = document.createElement(i ? "td" : "th");
          if (!i) cell.scope = "row";
          cell.textContent = String(value);
          line.append(cell);
        });
        return line;
      });
      byId("tally").querySelector("tbody").replaceChildren(...rows);
      const count = this.votes.all.length;
      const votes = count ? `${count} vote${count > 1 ? "s" : ""}` : "No votes yet";
      byId("tally-kept").textContent = this.votes.kept
        ? `${votes}. This browser keeps them for this file.`
        : `${votes}. This browser does not keep them: copy or save them before you close the page.`;
    }

    async copy() {
      const text = this.votes.json();
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        // Where there is no clipboard for files: by way of a selection.
        const area = document.createElement("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
        byId("tally-copy").focus();
      }
      byId("tally-said").textContent = "Copied.";
    }

    save() {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([this.votes.json()], { type: "application/json" }));
      link.download = "blind-test.json";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      byId("tally-said").textContent = "Saved as blind-test.json.";
    }

    clear() {
      this.votes.clear();
      this.showTally();
      byId("tally-said").textContent = "Cleared.";
    }
  }

  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  document.body.classList.add("scripted");
  /** @type {Player[]} */
  const players = [];
  /** @type {HTMLAudioElement[]} */
  const sounds = [];
  for (const article of document.querySelectorAll(".take")) players.push(new Player(article));
  sounds.push(...players.map((player) => player.audio));
  new BlindTest();
})();
