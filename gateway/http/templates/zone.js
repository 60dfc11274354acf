// SPDX-License-Identifier: Apache-2.0
// Says when the event is in the browser's own time zone, where that differs from the event's. It does nothing else.
"use strict";
(() => {
  const place = document.querySelector("dd[data-starts]");
  if (!place) return;
  const read = (text) => (text ? new Date(text) : null);
  const start = read(place.dataset.starts);
  const end = read(place.dataset.ends);
  if (-start.getTimezoneOffset() === Number(place.dataset.offset)) return;
  const language = new Intl.Locale(document.documentElement.lang, { numberingSystem: "latn" });
  const when = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "short" });
  const zone = new Intl.DateTimeFormat(language, { timeZoneName: "long" })
    .formatToParts(start)
    .find((part) => part.type === "timeZoneName").value;
  place.firstElementChild.textContent = `${end ? when.formatRange(start, end) : when.format(start)} (${zone})`;
  place.hidden = false;
  place.previousElementSibling.hidden = false;
})();
