// Charts of the last hour, day or week. Without scripts the table below them has the same figures.
document.addEventListener("DOMContentLoaded", function () {
  var places = document.querySelectorAll(".chart[data-series]");
  if (!places.length || !window.uPlot) return;
  var style = getComputedStyle(document.documentElement);
  function colour(name) { return style.getPropertyValue(name).trim() || "#888"; }
  var charts = [];

  function clock(at, chart) {
    var style = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: chart.zone };
    if (chart.days) { style.day = "2-digit"; style.month = "2-digit"; }
    var language = document.documentElement.lang;
    return new Date(at * 1000).toLocaleString(language === "en" ? "en-GB" : language, style);
  }

  function options(place, chart) {
    var axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    return {
      width: place.clientWidth - 18,
      height: 210,
      tzDate: function (at) { return uPlot.tzDate(new Date(at * 1000), chart.zone); },
      cursor: { y: false },
      scales: { y: { range: function (u, low, high) { return [0, Math.max(1, high * 1.08)]; } } },
      axes: [
        Object.assign({
          label: chart.offset, labelSize: 18, size: 34, labelFont: "12px system-ui",
          values: function (u, moments) {
            return moments.map(function (at) { return clock(at, chart); });
          }
        }, chart.days ? { space: 90 } : {}, axis),
        Object.assign({ size: 56 }, axis)
      ],
      series: chart.series.map(function (line, n) {
        if (n === 0) {
          return { label: line.label, value: function (u, at) {
            return at === null ? "–" : clock(at, chart);
          } };
        }
        return { label: line.label, stroke: colour(line.colour), width: 2, dash: line.dash ? [6, 4] : undefined,
          fill: line.fill ? colour(line.colour) + "33" : undefined, points: { show: false } };
      })
    };
  }

  function draw(place, chart) {
    var data = chart.series.map(function (line) { return line.values; });
    var known = charts.filter(function (drawn) { return drawn.place === place; })[0];
    if (known) { known.plot.setData(data); return; }
    charts.push({ place: place, plot: new uPlot(options(place, chart), data, place) });
  }

  function update() {
    fetch((places[0].dataset.source || "/now/series") + "?range=" + places[0].dataset.range, { credentials: "same-origin", headers: { "HX-Request": "true" } }).then(function (answer) {
      if (!answer.ok) throw new Error("series");
      return answer.json();
    }).then(function (series) {
      places.forEach(function (place) { draw(place, series[place.dataset.series]); });
    }).catch(function () { /* the page's own updates say that the server does not answer */ });
  }

  window.addEventListener("resize", function () {
    charts.forEach(function (drawn) { drawn.plot.setSize({ width: drawn.place.clientWidth - 18, height: 210 }); });
  });
  update();
  setInterval(update, 5000);
});
