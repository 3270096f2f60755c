// A page that is not renewed any more must not look alive: says so while this server does not answer.
document.addEventListener("DOMContentLoaded", function () {
  var notice = document.getElementById("offline");
  if (!notice) return;
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach(function (name) {
    document.body.addEventListener(name, function () { notice.hidden = false; });
  });
  document.body.addEventListener("htmx:afterOnLoad", function (event) {
    if (event.detail.successful) notice.hidden = true;
  });
});

// htmx keeps the focus on an element that is there again at once. One that is missing for a moment, such as the buttons of a
// call between two stages, gets it back when it returns, unless somebody has gone on meanwhile.
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
