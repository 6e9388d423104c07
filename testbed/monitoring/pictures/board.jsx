// One picture: panels of a board, drawn by Grafana's own components.
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  FieldColorModeId, FieldType, ThemeContext, createTheme, dateTime, getDisplayProcessor, toDataFrame,
} from '@grafana/data';
import { BigValue, BigValueColorMode, BigValueGraphMode, PanelChrome, TimeSeries } from '@grafana/ui';

const { picture, story, board } = window.PICTURE;
const theme = createTheme({ colors: { mode: 'dark' } });
const COLUMN = 50;
const range = {
  from: dateTime(story.start * 1000),
  to: dateTime(story.end * 1000),
  raw: { from: 'now', to: 'now' },
};

const shown = (value) => (value !== null && Number.isFinite(+value) ? +value : null);
// Where Prometheus answered nothing there is no line, as in Grafana.
const withGaps = (values) =>
  values.flatMap((sample, index) => {
    const before = index > 0 ? values[index - 1][0] : sample[0];
    return sample[0] - before > 1.5 * story.step ? [[before + story.step, null], sample] : [sample];
  });

function frames(panel, queries) {
  const { custom, mappings, ...defaults } = panel.fieldConfig.defaults;
  const series = queries.flat().map((one) => ({ ...one, values: withGaps(one.values) }));
  const made = series.map((one) =>
    toDataFrame({
      fields: [
        { name: 'time', type: FieldType.time, config: {}, values: one.values.map(([time]) => time * 1000) },
        {
          name: one.name,
          type: FieldType.number,
          values: one.values.map(([, value]) => shown(value)),
          config: {
            ...defaults,
            displayName: one.name,
            color: { mode: FieldColorModeId.PaletteClassic },
            custom: { ...custom, lineWidth: 2, showPoints: 'never', axisPlacement: 'auto' },
          },
        },
      ],
    })
  );
  made.forEach((frame, index) =>
    frame.fields.forEach((field) => {
      field.state = { seriesIndex: index };
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' });
    })
  );
  return made;
}

function Stat({ panel, queries, width, height }) {
  const series = queries.flat();
  const each = width / Math.max(series.length, 1);
  return (
    <div style={{ display: 'flex' }}>
      {frames(panel, queries).map((frame, index) => {
        const field = frame.fields[1];
        const last = field.values.filter((value) => value !== null).at(-1);
        const colored = { ...field, config: { ...field.config, color: { mode: FieldColorModeId.Thresholds } } };
        const display = getDisplayProcessor({ field: colored, theme, timeZone: 'utc' })(last);
        return (
          <BigValue key={index} theme={theme} width={each} height={height}
            value={{ ...display, title: series[index].name }}
            colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.None} />
        );
      })}
    </div>
  );
}

function Panel({ title, width, height = 250 }) {
  const panel = board.panels.find((one) => one.title === title);
  const { queries } = story.panels.find((one) => one.board === picture.board && one.title === title);
  return (
    <PanelChrome width={width * COLUMN - 8} height={height} title={title}>
      {(innerWidth, innerHeight) =>
        panel.type === 'stat' ? (
          <Stat panel={panel} queries={queries} width={innerWidth} height={innerHeight} />
        ) : (
          <TimeSeries frames={frames(panel, queries)} timeRange={range} timeZone="utc"
            width={innerWidth} height={innerHeight} theme={theme} structureRev={1}
            legend={{ showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] }} />
        )
      }
    </PanelChrome>
  );
}

function Picture() {
  const since = (chapter) => `${Math.round(chapter.start - story.start)} s ${chapter.title}`;
  return (
    <ThemeContext.Provider value={theme}>
      <div id="picture">
        <p>{story.chapters.map(since).join(' · ')}</p>
        <div id="panels">{picture.panels.map((one) => <Panel key={one.title} {...one} />)}</div>
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById('root')).render(<Picture />);
