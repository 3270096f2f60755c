// Charts of the last hour. Without scripts, or without this, the tables below them say the same.
document.addEventListener("DOMContentLoaded", function () {
  var places = document.querySelectorAll(".chart[data-series]");
  if (!places.length || !window.uPlot) return;
  var style = getComputedStyle(document.documentElement);
  function colour(name) { return style.getPropertyValue(name).trim() || "#888"; }
  var charts = [];

  function options(place, told) {
    var axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    var locale = document.documentElement.lang;
    return {
      width: place.clientWidth - 18,
      height: 190,
      cursor: { y: false },
      scales: { y: { range: function (u, low, high) { return [0, Math.max(1, high * 1.08)]; } } },
      axes: [
        Object.assign({
          values: function (u, moments) {
            return moments.map(function (at) {
              return new Date(at * 1000).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: told.zone });
            });
          }
        }, axis),
        Object.assign({ size: 56 }, axis)
      ],
      series: told.series.map(function (one, n) {
        if (n === 0) {
          return { label: one.label, value: function (u, at) {
            return at === null ? "–" : new Date(at * 1000).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: told.zone });
          } };
        }
        return { label: one.label, stroke: colour(one.colour), width: 2, dash: one.dash ? [6, 4] : undefined,
          fill: one.fill ? colour(one.colour) + "33" : undefined, points: { show: false } };
      })
    };
  }

  function draw(place, told) {
    var data = told.series.map(function (one) { return one.values; });
    var known = charts.filter(function (one) { return one.place === place; })[0];
    if (known) { known.plot.setData(data); return; }
    charts.push({ place: place, plot: new uPlot(options(place, told), data, place) });
  }

  function renew() {
    fetch("/now/series", { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (!answer.ok) throw new Error("series");
      return answer.json();
    }).then(function (told) {
      places.forEach(function (place) { draw(place, told[place.dataset.series]); });
    }).catch(function () { /* the page's own renewal says that the server is away */ });
  }

  window.addEventListener("resize", function () {
    charts.forEach(function (one) { one.plot.setSize({ width: one.place.clientWidth - 18, height: 190 }); });
  });
  renew();
  setInterval(renew, 5000);
});
