// Shows a notice while the server does not answer, because the page is not updated then.
document.addEventListener("DOMContentLoaded", function () {
  var notice = document.getElementById("offline");
  if (!notice) return;
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach(function (name) {
    document.body.addEventListener(name, function (event) {
      var redis = Boolean(event.detail.xhr && event.detail.xhr.status === 503);
      notice.children[0].hidden = redis;
      notice.children[1].hidden = !redis;
      notice.hidden = false;
    });
  });
  document.body.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.successful) notice.hidden = true;
  });
});

// htmx keeps the focus on an element that the new content has too. An element that is missing for one update gets the focus
// back when it returns, unless a key or the pointer was used meanwhile.
document.addEventListener("DOMContentLoaded", function () {
  var lost = "";
  ["keydown", "pointerdown"].forEach(function (name) {
    document.addEventListener(name, function () { lost = ""; });
  });
  document.body.addEventListener("htmx:beforeSwap", function (event) {
    var active = document.activeElement;
    if (active && active.id && event.detail.target.contains(active)) lost = active.id;
  });
  document.body.addEventListener("htmx:afterSettle", function () {
    if (document.activeElement !== document.body) lost = "";
    var again = lost && document.getElementById(lost);
    if (again) again.focus();
  });
});

// On a phone the names of the screens are a line that moves sideways: it begins where the open screen is seen.
document.addEventListener("DOMContentLoaded", function () {
  var open = document.querySelector(".head nav a[aria-current]");
  var line = open && open.closest("ul");
  if (line) line.scrollLeft = open.offsetLeft - line.offsetLeft - (line.clientWidth - open.offsetWidth) / 2;
});

// "/" goes to the search of the screen, or to that of the calls; "?" lists the keys. Neither while something is typed.
document.addEventListener("DOMContentLoaded", function () {
  var shortcuts = document.getElementById("shortcuts");
  if (location.hash === "#find" && document.getElementById("find")) document.getElementById("find").focus();
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input,textarea,select,dialog")) return;
    if (event.key === "?" && shortcuts) {
      shortcuts.showModal();
    } else if (event.key === "/") {
      event.preventDefault();
      var search = document.querySelector("main [role=search] input:not([type=hidden]), main .search input:not([type=hidden])");
      if (search) search.focus();
      else location.href = "/calls#find";
    }
  });
});

// A button beside each text that somebody may want elsewhere. Without scripts the text is selected by hand.
document.addEventListener("DOMContentLoaded", function () {
  var words = document.body.dataset;
  if (!words.copy) return;
  function copied(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    // Plain http has no clipboard of its own.
    var field = document.createElement("textarea");
    field.value = text;
    field.className = "hidden";
    document.body.appendChild(field);
    field.select();
    var done = document.execCommand("copy");
    field.remove();
    return done ? Promise.resolve() : Promise.reject(new Error("copy"));
  }
  function copy(button, text, place) {
    var before = button.dataset.words || button.textContent;
    var name = button.dataset.name || button.getAttribute("aria-label");
    button.dataset.words = before;
    button.dataset.name = name;
    copied(text).then(function () {
      button.textContent = words.done;
      button.setAttribute("aria-label", words.done + ": " + text.slice(0, 80));
      button.focus();
      setTimeout(function () {
        button.textContent = before;
        button.setAttribute("aria-label", name);
      }, 2000);
    }).catch(function () { if (place) getSelection().selectAllChildren(place); });
  }
  // Rows of lists come with their buttons, which an update of the list replaces.
  document.body.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy-text]");
    if (button) copy(button, button.dataset.copyText);
  });
  document.querySelectorAll("[data-copied]").forEach(function (place) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = words.copy;
    button.setAttribute("aria-label", words.copy + ": " + place.textContent.trim().slice(0, 80));
    button.addEventListener("click", function () { copy(button, place.textContent.trim(), place); });
    place.after(button);
  });
});

// The list of calls is not updated while some of it are ticked, or the ticks would be lost.
document.addEventListener("DOMContentLoaded", function () {
  document.body.addEventListener("htmx:beforeRequest", function (event) {
    if (event.target.id === "calls" && event.target.querySelector(".tick input:checked")) event.preventDefault();
  });
});
