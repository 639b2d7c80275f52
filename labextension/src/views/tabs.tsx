/** Tabs with a roving focus, as the ARIA practices have them. */

import type { TargetedKeyboardEvent } from 'preact';

export interface TabsProps<Name extends string> {
  readonly label: string;
  readonly prefix: string;
  readonly names: readonly (readonly [Name, string])[];
  readonly chosen: Name;
  readonly choose: (name: Name) => void;
}

export function Tabs<Name extends string>(props: TabsProps<Name>) {
  const { label, prefix, names, chosen, choose } = props;

  function press(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    const place = names.findIndex(([name]) => name === chosen);
    const targets: Record<string, number> = {
      ArrowRight: (place + 1) % names.length,
      ArrowLeft: (place + names.length - 1) % names.length,
      Home: 0,
      End: names.length - 1,
    };
    const target = names[targets[event.key] ?? -1];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(target[0]);
    document.getElementById(`${prefix}-tab-${target[0]}`)?.focus();
  }

  return (
    <div class="onb-tabs" role="tablist" aria-label={label} onKeyDown={press}>
      {names.map(([name, words]) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`${prefix}-tab-${name}`}
          class="onb-tab"
          aria-selected={name === chosen}
          aria-controls={`${prefix}-pane`}
          tabIndex={name === chosen ? 0 : -1}
          onClick={() => {
            choose(name);
          }}
        >
          {words}
        </button>
      ))}
    </div>
  );
}
