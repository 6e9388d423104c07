// Which panels are drawn, side by side in rows of 24 columns.
export const pictures = [
  {
    file: 'overview.png',
    board: 'overview',
    panels: [
      { title: 'In time, 30 days', width: 6, height: 140 },
      { title: 'Error budget left, 30 days', width: 6, height: 140 },
      { title: 'Overdue', width: 6, height: 140 },
      { title: 'Oldest pending', width: 6, height: 140 },
      { title: 'Pending and overdue', width: 8 },
      { title: 'Time to address', width: 8 },
      { title: 'Late, over an hour', width: 8 },
      { title: 'Errors, by reason', width: 8 },
      { title: 'Calls that did not succeed', width: 8 },
      { title: 'Load balancers, by state', width: 8 },
    ],
  },
  {
    file: 'clouds.png',
    board: 'clouds',
    panels: [
      { title: 'Calls that failed, over 10 minutes', width: 8 },
      { title: 'Last success', width: 8 },
      { title: 'Calls, by code', width: 8 },
      { title: 'Response time', width: 8 },
      { title: 'In flight', width: 8 },
      { title: 'Waiting to be sent', width: 8 },
    ],
  },
  {
    file: 'internals.png',
    board: 'internals',
    panels: [
      { title: 'Depth', width: 8 },
      { title: 'Wait in the queue', width: 8 },
      { title: 'Unfinished work', width: 8 },
      { title: 'Renewals of the Lease', width: 8 },
      { title: 'Requests, by code', width: 8 },
      { title: 'Writes, by code', width: 8 },
      { title: 'Events', width: 8 },
      { title: 'Response time, p95', width: 8 },
      { title: 'Spans', width: 8 },
    ],
  },
];
