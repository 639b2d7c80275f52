/** The side panel: the notebook's flow, the runs, and the schedules. */

import { runIcon } from '@jupyterlab/ui-components';
import { signal, type Signal } from '@preact/signals';

import { DoorsContext } from './context';
import type { Doors } from './doors';
import { FlowTab } from './flow-tab';
import { PreactWidget } from './preact-widget';
import { RunList } from './run-list';
import { RunsTab } from './runs-tab';
import { SchedulesTab } from './schedules-tab';
import { Tabs } from '../views/tabs';

export type SideTab = 'flow' | 'runs' | 'schedules';

interface Inside {
  readonly doors: Doors;
  readonly tab: Signal<SideTab>;
  readonly list: RunList;
}

export class SidePanel extends PreactWidget {
  private readonly inside: Inside;

  constructor(doors: Doors) {
    const tab = signal<SideTab>('flow');
    const state = { shown: false };
    const list = new RunList(doors.stream, () => state.shown && tab.peek() === 'runs');
    const inside = { doors, tab, list };
    super(<Side {...inside} />);
    this.inside = inside;
    this.id = 'orch-nb-side';
    this.title.icon = runIcon;
    this.title.caption = doors.trans.__('Flows');
    this.addClass('onb-lab-side');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', doors.trans.__('Flows'));
    this.shown = state;
    tab.subscribe((chosen) => {
      if (chosen === 'runs') list.later(true);
    });
    this.disposed.connect(() => {
      list.dispose();
    });
  }

  private readonly shown: { shown: boolean };

  choose(tab: SideTab): void {
    this.inside.tab.value = tab;
  }

  protected override onAfterShow(): void {
    this.shown.shown = true;
    this.inside.list.later(true);
  }

  protected override onAfterHide(): void {
    this.shown.shown = false;
  }
}

function Side({ doors, tab, list }: Inside) {
  const { trans } = doors;
  const names: readonly (readonly [SideTab, string])[] = [
    ['flow', trans.__('Flow')],
    ['runs', trans.__('Runs')],
    ['schedules', trans.__('Schedules')],
  ];
  const chosen = tab.value;
  return (
    <DoorsContext value={doors}>
      <div class="onb-lab-top">
        <Tabs
          label={trans.__('Flows')}
          prefix="onb-side"
          names={names}
          chosen={chosen}
          choose={(next) => (tab.value = next)}
        />
      </div>
      <div
        id="onb-side-pane"
        class={`onb-lab-body onb-lab-${chosen}`}
        role="tabpanel"
        aria-labelledby={`onb-side-tab-${chosen}`}
      >
        {chosen === 'flow' && <FlowTab />}
        {chosen === 'runs' && <RunsTab list={list} />}
        {chosen === 'schedules' && <SchedulesTab />}
      </div>
    </DoorsContext>
  );
}
