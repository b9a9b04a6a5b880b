"""Whether a page can be read and used on a phone and at a desk, by day and by night."""

from typing import Any

#: Width and height in pixels of the windows; a small phone first.
WINDOWS = ((360, 780), (1280, 900))
#: Least ratio of luminances of words and paper, and least height of what is pressed, in pixels:
#: WCAG 2.2, criteria 1.4.3 and 2.5.8. Links within a sentence are free of the second.
CONTRAST, TARGET = 4.5, 24
FLAWS = """([contrast, target]) => {
    const flaws = [], all = (selector) => [...document.querySelectorAll(selector)];
    const seen = (node) => node.checkVisibility() && node.getBoundingClientRect().width > 1;
    const said = (node) => node.textContent.trim().slice(0, 30);
    if (document.documentElement.scrollWidth > innerWidth) flaws.push("wider than the window");

    for (const chart of all(".drawing").filter(seen)) {
        const words = [...chart.querySelectorAll("text")].filter((node) => node.textContent.trim());
        const places = words.map((node) => node.getBoundingClientRect());
        words.forEach((word, k) => {
            const a = places[k];
            if (!chart.closest(".scroll") && (a.left < 0 || a.right > innerWidth))
                flaws.push(`cut off: ${said(word)}`);
            for (let other = k + 1; other < words.length; other++) {
                const b = places[other];
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 1 && high > 3)
                    flaws.push(`collide: ${said(word)}, ${said(words[other])}`);
            }
        });
    }

    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const luminance = (colour) => {
        const [r, g, b] = numbers(colour).map((value) => value / 255).map((value) =>
            value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const paper = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if ((numbers(colour)[3] ?? 1) > 0.9) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const speaks = (node) =>
        [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const unread = "script, style, title, noscript, option, :disabled, svg .on, #boxes *";
    for (const node of all(`body :not(${unread})`).filter((one) => speaks(one) && seen(one))) {
        const ink = getComputedStyle(node)[node instanceof SVGElement ? "fill" : "color"];
        const [dark, light] = [ink, paper(node)].map(luminance).sort((a, b) => a - b);
        const ratio = (light + 0.05) / (dark + 0.05);
        if (ratio < contrast) flaws.push(`pale, ${ratio.toFixed(1)}: ${said(node)}`);
    }

    for (const node of all("button, select, input, summary, nav a").filter(seen)) {
        const pressed = node.labels?.[0] ?? node;
        if (pressed.getBoundingClientRect().height < target) flaws.push(`small: ${said(node)}`);
    }
    return [...new Set(flaws)];
}"""


def flaws(page: Any) -> list[str]:
    """Return what is cut off, collides, is pale or too small, in which window and light."""
    found = []
    for width, height in WINDOWS:
        page.set_viewport_size({"width": width, "height": height})
        for light in ("light", "dark"):
            page.emulate_media(color_scheme=light)
            said = page.evaluate(FLAWS, [CONTRAST, TARGET])
            found += [f"{width}, {light}: {flaw}" for flaw in said]
    page.emulate_media(color_scheme="light")
    return found
