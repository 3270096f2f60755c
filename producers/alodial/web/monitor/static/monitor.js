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
