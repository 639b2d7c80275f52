/** Arrow keys move the focus among a list's rows: one stop for the Tab key. */

/** A key handler for a list whose rows match `selector`. */
export function rove(selector: string): (event: KeyboardEvent) => void {
  return (event) => {
    const list = event.currentTarget as HTMLElement;
    const rows = [...list.querySelectorAll<HTMLElement>(selector)];
    const place = rows.findIndex((row) => row === document.activeElement);
    const targets: Record<string, number> = {
      ArrowDown: place + 1,
      ArrowUp: place - 1,
      Home: 0,
      End: rows.length - 1,
    };
    const target = targets[event.key];
    if (target === undefined || place < 0) return;
    event.preventDefault();
    event.stopPropagation();
    rows[Math.max(0, Math.min(rows.length - 1, target))]?.focus();
  };
}
