/* Parts of a page that keep themselves up to date: an element with an id and data-refresh="seconds" is fetched anew with
   its page, as long as somebody looks. It can be paused, and what has data-announce is read out when it changes. */
"use strict";

(() => {
  const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
  const LONGEST = 300; // seconds between tries while the site does not answer

  class Part {
    constructor(element) {
      this.id = element.id;
      this.every = Math.max(1, Number(element.dataset.refresh) || 10);
      this.wait = this.every;
      this.paused = false;
      this.build(element);
      this.plan();
    }

    get element() {
      return document.getElementById(this.id);
    }

    build(element) {
      const bar = document.createElement("p");
      bar.className = "honcho-refresh";
      this.note = document.createElement("span");
      this.spoken = document.createElement("span");
      this.spoken.className = "honcho-hidden";
      this.spoken.setAttribute("role", "status");
      this.button = document.createElement("button");
      this.button.type = "button";
      this.button.addEventListener("click", () => this.toggle());
      bar.append(this.note, this.button, this.spoken);
      element.before(bar);
      this.tell(`Renewed every ${this.every} s`);
    }

    tell(text) {
      this.note.textContent = this.paused ? "Not renewed" : text;
      this.button.textContent = this.paused ? "Renew again" : "Stop renewing";
    }

    toggle() {
      this.paused = !this.paused;
      this.tell(`Renewed every ${this.every} s`);
      if (!this.paused) this.renew();
    }

    plan() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.renew(), this.wait * 1000);
    }

    async renew() {
      clearTimeout(this.timer);
      if (this.paused || document.hidden || !this.element) return;
      try {
        const answer = await fetch(window.location.href, { headers: { "X-Requested-With": "XMLHttpRequest" } });
        if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(this.id);
        if (!fresh) throw new Error("gone");
        if (!this.paused) this.show(fresh);
        this.wait = this.every;
        this.tell(`Renewed every ${this.every} s`);
      } catch {
        this.wait = Math.min(this.wait * 2, LONGEST);
        this.tell("The site did not answer: what is shown may be old");
      }
      this.plan();
    }

    show(fresh) {
      const old = this.element;
      const news = this.announced(fresh);
      if (news !== this.announced(old)) this.spoken.textContent = news;
      if (!("refresh" in fresh.dataset)) this.stop();
      if (fresh.innerHTML === old.innerHTML) return;
      const open = [...old.querySelectorAll("details")].map((item) => item.open);
      const place = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
      old.replaceChildren(...fresh.childNodes);
      [...old.querySelectorAll("details")].forEach((item, at) => { item.open = open[at] ?? item.open; });
      if (place >= 0) old.querySelectorAll(FOCUSABLE)[place]?.focus({ preventScroll: true });
    }

    announced(element) {
      return [...element.querySelectorAll("[data-announce]")].map((item) => item.textContent.trim()).join(" ");
    }

    stop() {
      // What is over does not change any more: the page no longer asks to be renewed.
      this.paused = true;
      this.button.parentElement.hidden = true;
    }
  }

  const begin = () => {
    const parts = [...document.querySelectorAll("[data-refresh][id]")].map((element) => new Part(element));
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) parts.forEach((part) => part.renew());
    });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
