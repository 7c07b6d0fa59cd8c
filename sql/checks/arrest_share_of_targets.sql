-- Which share of each target's records has an arrest, of the 365 days that ended 56 days before: what is mostly found
-- by police must not be forecast. Nothing but the check reads this, and no forecast does.
SELECT
    CAST(sum(forecast_targets.violent_street) AS BIGINT) AS violent_street,
    CAST(sum(CASE WHEN crimes.arrest THEN forecast_targets.violent_street ELSE 0 END) AS BIGINT)
        AS violent_street_arrests,
    CAST(sum(forecast_targets.burglary) AS BIGINT) AS burglary,
    CAST(sum(CASE WHEN crimes.arrest THEN forecast_targets.burglary ELSE 0 END) AS BIGINT) AS burglary_arrests,
    CAST(sum(forecast_targets.vehicle_theft) AS BIGINT) AS vehicle_theft,
    CAST(sum(CASE WHEN crimes.arrest THEN forecast_targets.vehicle_theft ELSE 0 END) AS BIGINT)
        AS vehicle_theft_arrests,
    CAST(sum(forecast_targets.robbery) AS BIGINT) AS robbery,
    CAST(sum(CASE WHEN crimes.arrest THEN forecast_targets.robbery ELSE 0 END) AS BIGINT) AS robbery_arrests,
    CAST(sum(forecast_targets.index_crime) AS BIGINT) AS index_crime,
    CAST(sum(CASE WHEN crimes.arrest THEN forecast_targets.index_crime ELSE 0 END) AS BIGINT) AS index_crime_arrests
FROM forecast_targets
JOIN crimes ON crimes.id = forecast_targets.id
WHERE forecast_targets.occurred_on <= CAST(date_add('day', -56, :as_of_day) AS DATE)
    AND forecast_targets.occurred_on > CAST(date_add('day', -421, :as_of_day) AS DATE)
